from crossgraph.data.feature_cache import default_cache as default_cache
from crossgraph.verbs.calibrating import calibrate as calibrate
from crossgraph.verbs.cascades import build_cascade as build_cascade
from crossgraph.verbs.cascades import pack_cascade as pack_cascade
from crossgraph.verbs.describing import model_facts as model_facts
from crossgraph.verbs.ensembles import ensemble as ensemble
from crossgraph.verbs.evaluating import evaluate as evaluate
from crossgraph.verbs.evaluating import evaluate_against as evaluate_against
from crossgraph.verbs.evaluating import evaluate_by_labels as evaluate_by_labels
from crossgraph.verbs.evaluating import evaluate_seeds as evaluate_seeds
from crossgraph.verbs.explaining import explain as explain
from crossgraph.verbs.galleries import index as index
from crossgraph.verbs.galleries import migrate as migrate
from crossgraph.verbs.galleries import move_gallery as move_gallery
from crossgraph.verbs.galleries import open_gallery as open_gallery
from crossgraph.verbs.galleries import sync as sync
from crossgraph.verbs.models import load as load
from crossgraph.verbs.models import load_model as load_model
from crossgraph.verbs.models import load_search_model as load_search_model
from crossgraph.verbs.models import pretrained as pretrained
from crossgraph.verbs.opening import open_to_search as open_to_search
from crossgraph.verbs.probing import probe as probe
from crossgraph.verbs.query_banks import add_query_bank as add_query_bank
from crossgraph.verbs.searching import search as search
from crossgraph.verbs.teaching import teach as teach
from crossgraph.verbs.training import train as train

__all__: list[str]
