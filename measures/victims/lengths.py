"""How many SMS a text is (GSM 03.38, 03.40): 160 septets or 70 UCS-2 units, 153 or 67 of several."""

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Two septets each.
_EXTENDED = "\f^{}\\[~]|€"


def is_gsm7(text: str) -> bool:
    """Whether a text can be written in the default alphabet of GSM.

    >>> is_gsm7("Call 159!"), is_gsm7("ação")
    (True, False)
    """
    return set(text) <= {*_BASIC, *_EXTENDED}


def units(text: str) -> int:
    """Return how long a text is: septets in GSM-7, else UCS-2 units.

    >>> units("a€"), units("请"), units("a😀é请")
    (3, 1, 5)
    """
    if is_gsm7(text):
        return len(text) + sum(text.count(each) for each in _EXTENDED)
    return len(text.encode("utf-16-be")) // 2


def segments(text: str) -> int:
    """Return how many messages a text is sent as.

    >>> segments("x" * 160), segments("x" * 161), segments("请" * 70), segments("请" * 71)
    (1, 2, 1, 2)
    """
    one, of_several = (160, 153) if is_gsm7(text) else (70, 67)
    length = units(text)
    return 1 if length <= one else -(-length // of_several)
