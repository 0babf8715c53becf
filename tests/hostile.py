"""Names that someone might give a label, a tag, an image or a file, to see what happens."""

MARKUP = "<img src=x onerror=alert(1)>"
QUOTES = "\"'` onmouseover=alert(1) x="
CLOSING = "</script><script>alert(1)</script>"
TURNED = "invoice\u202egnp.exe"
ESCAPES = "red\x1b[2J\x1b]0;owned\x07\x9b31m"
LINES = "blue\r\n2030-01-01 00:00:00 finished in 0.1 s"
MATH = "$x^{$"
ODD = "_$\\frac{$ %s {}"
LONG = "x" * 10_000
FORMULA = "=HYPERLINK(A1)"
ALL = (MARKUP, QUOTES, CLOSING, TURNED, ESCAPES, LINES, MATH, ODD, LONG, FORMULA)
DOING = "\x00\x07\x1b\x7f\x9b\r\n\t\u2028\u061c\u200e\u200f\u202a\u202e\u2066\u2069\udc80"
"""Characters that do something where they are shown."""
