"""Reasons of alerts in the language of a page: alerts carry them in the language that their job spoke."""

from functools import cache
from string import Formatter

from console.web.said import SAID, Sentences
from models.scoring.reasons import Words, shipped, stops


@cache
def sentences(language: str) -> Sentences:
    """Return what the shipped words say in a language for what they say in the others."""
    words, said = shipped(), dict[str, str]()
    texts = [clause.texts for group in words.groups.values() for each in group.values() for clause in each]
    for own in (*texts, *words.always.values()):
        said |= {_bare(text): _placed(text, own[language]) for text in own.values() if language in own}
    for forms in words.spans.values() if language in words.spans else ():
        said |= {
            _bare(form): _placed(form, own) for form, own in zip(forms, words.spans[language], strict=True)
        }
    return Sentences(said)


def reason_in(language: str, text: str) -> str:
    """Return a reason in a language; one that the shipped words do not say stays as it is.

    >>> reason_in("en", "2天前才添加该收款人；收款户名仅近似一致。")
    "The payee was added 2 days ago. The account name is only close to the payee's."
    """
    for spoken in _languages(shipped()):
        between, end = stops(spoken)
        clauses = [sentences(language).of(each, _kept) for each in text.removesuffix(end).split(between)]
        if text.endswith(end) and all(clauses):
            own, last = stops(language)
            return own.join(filter(None, clauses)) + last
    return text


def _languages(words: Words) -> list[str]:
    return sorted({name for group in words.always.values() for name in group} | set(words.spans))


def _kept(_: str, value: str) -> str:
    return value


def _names(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


def _bare(text: str) -> str:
    return "".join(before + ("" if name is None else "{}") for before, name, _, _ in Formatter().parse(text))


def _placed(text: str, own: str) -> str:
    """Return a text in which figures stand by their places in another one."""
    names = _names(text)
    return "".join(
        before + ("" if name is None else f"{{{names.index(name)}:{SAID}}}")
        for before, name, _, _ in Formatter().parse(own)
    )
