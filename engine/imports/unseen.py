"""Characters that nobody sees in a cell, such as copying and programs leave there: taken away before it is read.

Blanks of other kinds become ordinary ones; marks without a width, of direction, and control characters go. The two
joiners stay within texts, where they mean something (in Persian, in emoji), and go elsewhere.
"""

from __future__ import annotations

_JOINERS = "\u200c\u200d"
_MARKS = "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
_CONTROLS = "".join(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r\x85")
_BLANKS = "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_OF_TEXTS = {**dict.fromkeys(map(ord, _MARKS + _CONTROLS)), **dict.fromkeys(map(ord, _BLANKS), " ")}
_OF_ALL = {**_OF_TEXTS, **dict.fromkeys(map(ord, _JOINERS))}


def seen(cell: str, text: bool = False) -> str:
    """What one sees of a cell, without the blanks around it; `text`: of one that is a text.

    >>> seen("\\ufeff 12\\u00a0345\\u200b ")
    '12 345'
    >>> seen("a\\u200db", text=True) == "a\\u200db", seen("a\\0b", text=True)
    (True, 'ab')
    """
    if cell.isascii() and cell.isprintable():
        return cell.strip()
    return cell.translate(_OF_TEXTS if text else _OF_ALL).strip().strip(_JOINERS)


def has_controls(cell: str) -> bool:
    """Whether a cell has control characters, line ends and tabs among them, within it.

    >>> has_controls("ann\\0"), has_controls("a\\nb"), has_controls(" ann\\r\\n"), has_controls("ann")
    (True, True, False, False)
    """
    return any(character < " " or "\x7f" <= character < "\xa0" for character in cell.strip())
