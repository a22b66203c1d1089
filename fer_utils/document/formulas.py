"""LaTeX's formulas, written so that pandoc can set them."""

import re

# LaTeX's environments of displayed formulas, by those that stand inside of one; empty for none.
FORMULAS = {
    "equation": "", "displaymath": "", "math": "", "align": "aligned", "alignat": "alignedat", "flalign": "aligned",
    "gather": "gathered", "multline": "gathered", "eqnarray": "aligned", "aligned": "aligned", "gathered": "gathered",
    "split": "aligned", "cases": "cases", "dcases": "cases", "array": "array", "matrix": "matrix", "pmatrix": "pmatrix",
    "bmatrix": "bmatrix", "Bmatrix": "Bmatrix", "vmatrix": "vmatrix", "Vmatrix": "Vmatrix",
}  # fmt: skip
ENVIRONMENT = re.compile(r"\\begin\{(\w+)(\*?)\}(.*)\\end\{\1\2\}", re.DOTALL)
INNER = re.compile(r"\\begin\{(cases|aligned|alignedat|array)\}((?:(?!\\begin\{\1\}).)*?)\\end\{\1\}", re.DOTALL)
LOST = re.compile(r"\\(?:text)?color\b|\\hline|\\begin\{array\}\s*(?:\[\w\])?\s*\{[^{}]*\|")  # what pandoc cannot set
BREAK = r"\\"  # between rows
CELL = re.compile(r"(?<!\\)&")
NESTED = r"(?:[^{}]|\{[^{}]*\})"  # a character, or a group in braces
# Macros that JupyterLab's MathJax knows and pandoc does not, each with what it stands for.
REPLACED = {
    r"\\(?:label\{[^}]*\}|nonumber|notag|displaystyle(?=\s*\\begin))": "",
    r"\\tag\*?\{([^{}]*)\}": r"\\qquad(\\text{\1})",
    r"\\[bB]igg?[lrm]?\s*(?=\\(?:langle|rangle|lfloor|rfloor|lceil|rceil|[lr]Vert|\||uparrow|downarrow))": "",
    r"\\textcolor\{[^{}]*\}|\\color\{[^{}]*\}": "",
    r"\\cfrac": r"\\frac",
    r"\\[dt]binom": r"\\binom",
    r"\\(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge)\b\s*": "",
    rf"\{{\\(bf|rm|it|cal|sf|tt)\b\s*({NESTED}*)\}}": r"\\math\1{\2}",
    r"\\begin\{(aligned|gathered|alignedat)\}\[\w\]": r"\\begin{\1}",
    r"\\!": "",  # pandoc would move what follows by an em
    r"(?<!\\)\\&": r"\\text{\\&}",
    r"\\left\s*\\\|": r"\\left\\lVert ",
    r"\\right\s*\\\|": r"\\right\\rVert ",
    r"(?<!\\)\\\|((?:(?!\\\|).)+?)\\\|": r"\\lVert \1\\rVert ",
    r"\\(?:fbox|hbox|mbox)(?=\{)": r"\\text",
    # A matrix without brackets, which pandoc sets without gaps.
    r"(?<![|(\[{.])\\begin\{matrix\}((?s:(?:(?!\\begin).)*?))\\end\{matrix\}": r"\\begin{array}{c}\1\\end{array}",
    # A brace before an array, which would not grow with it.
    r"\\left\s*\\\{\s*\\begin\{array\}\s*\{[^{}|]*\}((?s:(?:(?!\\begin).)*?))\\end\{array\}\s*\\right\s*\.": (
        r"\\begin{cases}\1\\end{cases}"
    ),
    r"\\begin\{dcases\}": r"\\begin{cases}",
    r"\\end\{dcases\}": r"\\end{cases}",
    r"\\begin\{vmatrix\}": r"\\left|\\begin{matrix}",
    r"\\end\{vmatrix\}": r"\\end{matrix}\\right|",
    r"\\begin\{Vmatrix\}": r"\\left\\|\\begin{matrix}",
    r"\\end\{Vmatrix\}": r"\\end{matrix}\\right\\|",
    r"\\ket\{([^{}]*)\}": r"\\left|\1\\right\\rangle ",
    r"\\bra\{([^{}]*)\}": r"\\left\\langle \1\\right|",
    r"\\braket\{([^{}]*)\}": r"\\left\\langle \1\\right\\rangle ",
}


def formula(text: str) -> str:
    """A formula that pandoc can set as MathJax would."""
    for pattern, stands_for in REPLACED.items():
        text = re.sub(pattern, stands_for, text)
    return INNER.sub(_spaced, text)


def _spaced(found: re.Match[str]) -> str:
    """An environment with blanks between its columns, which pandoc's Typst sets without."""
    name, inside = found[1], found[2]
    if name == "array":
        inside = re.sub(r"\\hline", "", re.sub(rf"^\s*(\[\w\])?\s*\{{{NESTED}*\}}", "", inside))
        rows = inside.split(r"\\")
        return f"\\begin{{matrix}}{BREAK.join(_row(row, every=True) for row in rows)}\\end{{matrix}}"
    argument = re.match(r"\s*\{\d+\}", inside) if name == "alignedat" else None
    rows = inside[argument.end() if argument else 0 :].split(r"\\")
    inside = BREAK.join(_row(row, every=name == "cases") for row in rows)
    return f"\\begin{{{name}}}{argument[0] if argument else ''}{inside}\\end{{{name}}}"


def _row(row: str, *, every: bool) -> str:
    """A row with blanks at the marks between columns: at every mark, or at every second where the others align."""
    cells = CELL.split(row)
    marks = ["& \\quad " if every or i % 2 else "&" for i in range(len(cells) - 1)]
    return "".join(part for pair in zip(cells, [*marks, ""], strict=True) for part in pair)


def environment(text: str) -> tuple[str, str] | None:
    """The name of the environment that a text is, and its formula, empty if it is none; None for other texts."""
    found = ENVIRONMENT.fullmatch(text.strip())
    if not found:
        return None
    inside = FORMULAS.get(found[1])
    if inside is None:
        return found[1], ""
    content = found[3].strip()
    if found[1] == "alignat":
        return found[1], f"\\begin{{alignedat}}{content}\\end{{alignedat}}"
    return found[1], f"\\begin{{{inside}}}{content}\\end{{{inside}}}" if inside else content
