"""Text in LaTeX: every character prints as itself, whatever LaTeX makes of it."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

_SPECIAL: Final = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "`": r"\textasciigrave{}",
        "<": r"\textless{}",  # the default font encoding has other signs in the places of these three
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # behind the end of a row, a bracket or an asterisk would belong to that
        "]": "{]}",
        "*": "{*}",
    }
)
_MATHEMATICAL: Final = MappingProxyType(
    {
        "⁺": "^{+}",
        "⁻": "^{-}",
        "²": "^{2}",
        "±": r"\pm",
        "×": r"\times",
        "·": r"\cdot",
        "−": "-",
        "≤": r"\leq",
        "≥": r"\geq",
        "≠": r"\neq",
        "≈": r"\approx",
        "∞": r"\infty",
        "→": r"\rightarrow",
        "←": r"\leftarrow",
        "↑": r"\uparrow",
        "↓": r"\downarrow",
        "ℓ": r"\ell",
        **dict(
            zip(
                "αβγδεκλμσχ",
                map(
                    "\\{}".format,
                    ["alpha", "beta", "gamma", "delta", "epsilon", "kappa", "lambda", "mu", "sigma", "chi"],
                ),
                strict=True,
            )
        ),
        "†": r"\dagger",
        "°": r"\circ",
        "‡": r"\ddagger",
        "§": r"\mathsection",
        "¶": r"\mathparagraph",
        "◇": r"\diamond",
        "△": r"\triangle",
        "▽": r"\bigtriangledown",
        "●": r"\bullet",
    }
)
_TEXTS: Final = _SPECIAL | {sign: f"${command}$" for sign, command in _MATHEMATICAL.items()}
_LIGATURES: Final = re.compile(r"(?<=([-',]))(?=\1)")
"""Between signs that LaTeX would join: two hyphens to a dash, two quotes to another one."""

_HANGUL: Final = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_KANA: Final = re.compile(r"[\u3040-\u30ff\uff66-\uff9f]")
_HAN: Final = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


def latex_text(text: str) -> str:
    """Return a text that LaTeX prints as it is."""
    return "".join(_TEXTS.get(character, character) for character in _LIGATURES.sub("\x00", text)).replace("\x00", "{}")


def latex_symbol(mark: str) -> str:
    """Return a raised mark, such as refers to a footnote."""
    return f"$^{{{_MATHEMATICAL.get(mark, mark)}}}$"


def cjk_font(text: str) -> str | None:
    """Return the font of LaTeX's CJKutf8 that has the Chinese, Japanese or Korean characters of a text; None without such."""
    for signs, font in ((_HANGUL, "mj"), (_KANA, "min"), (_HAN, "gbsn")):
        if signs.search(text):
            return font
    return None
