"""Who lies where: every picture has one place, no place has two, and content decides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.changes.rearranged import find_rearranged

contents = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("123456"), max_size=8)


@given(contents, contents, contents, st.booleans())
def test_content_decides_and_no_two_pictures_have_one_place(
    before: dict[str, str], now: dict[str, str], went: dict[str, str], may_go: bool
) -> None:
    displaced = {path: digest for path, digest in before.items() if path in now and now[path] != digest}
    gone = {f"gone/{path}": digest for path, digest in went.items()} if may_go else {}
    left = dict(gone)

    def take(digest: str, _: str) -> str | None:
        found = next((path for path, one in left.items() if one == digest), None)
        return None if found is None else left.pop(found) and found

    files = {path: digest for path, digest in now.items() if path in displaced or path not in before}
    found = find_rearranged(files, displaced, take, may_go=may_go)
    known = displaced | gone
    assert len(set(found.before.values())) == len(found.before)
    assert all(known[old] == files[new] for new, old in found.before.items())
    stay = set(displaced) - set(found.before.values()) - set(found.ousted)
    assert stay.isdisjoint(found.before)
    assert may_go or not found.ousted
    if may_go:
        waiting = sorted(digest for path, digest in known.items() if path not in found.before.values())
        unmatched = [digest for path, digest in files.items() if path not in found.before]
        assert set(waiting).isdisjoint(unmatched)


def test_a_chain_whose_last_picture_is_nowhere_stays_where_none_may_go() -> None:
    def none(*_: str) -> None:
        return None

    displaced, files = {"1": "a", "2": "b", "3": "c"}, {"1": "new", "2": "a", "3": "b"}
    assert find_rearranged(files, displaced, none, may_go=False).before == {}
    going = find_rearranged(files, displaced, none, may_go=True)
    assert (going.before, going.ousted) == ({"2": "1", "3": "2"}, ("3",))
    ring = {"1": "c", "2": "a", "3": "b"}
    assert find_rearranged(ring, displaced, none, may_go=False).before == {"1": "3", "2": "1", "3": "2"}
