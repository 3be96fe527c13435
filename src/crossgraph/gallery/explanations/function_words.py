"""Words that name nothing a picture could show: articles, prepositions, pronouns, auxiliaries.

Words that are a thing in another of the languages are left out: "man" and "hat" of German, "can" of English.
"""

from __future__ import annotations

ENGLISH = """
a an the this that these those there here and or but nor so as if than then while with without of in on at to
into onto from by for about over under near up down out off through across along around between among is are
was were be been being am do does did has have had having could will would may might must shall should not no
it its it's s he him his she her hers they them their theirs we us our you your i me my who whom whose which
what where when how some any each other another such very too also just only
"""
GERMAN = """
der die das den dem des ein eine einen einem einer eines und oder aber als wie wenn dass mit ohne von vom in
im ins an am ans auf aus bei beim zu zum zur nach vor hinter neben zwischen durch für gegen um unter über ist
sind waren wird werden wurde haben hatte sein ihr ihre ihren ihrem seine seinen seinem er sie es sich wir ihm
ihn nicht kein keine auch nur sehr dort hier
"""
CHINESE = "的 了 在 着 是 和 与 有 一 个 一个 一只 一条 一名 一位 这 那 他 她 它 们 们的 上 里 中 地 得"

FUNCTION_WORDS = frozenset(f"{ENGLISH} {GERMAN} {CHINESE}".split())
