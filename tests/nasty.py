"""Values that people's files hold and programs trip over, as strategies for the tests of properties."""

from hypothesis import strategies as st

AWKWARD = (
    *(
        "a",
        "b",
        "A",
        "a|b",
        "a|b|c",
        "!a",
        "a!",
        "a=b",
        "a:2",
        "a:b:2",
        "0.5*a",
        "a+b",
        "2*a+1*b",
        "a;b",
        "a,b",
        "a, b",
    ),
    *('"', '"a"', "'a'", 'a"b', '""', "NA", "nan", "NaN", "null", "None", "N/A", "1e5", "007", "1.0", "-0", "inf"),
    *("True", "false", "#", "=1+1", "@", "%20", "a b", "a/b", "a\\b", "..", ".", "CON", "aux.txt", "-", "--", "_"),
    *(
        "é",
        "e\u0301",
        "ß",
        "SS",
        "İ",
        "ı",
        "ﬁ",
        "Ωμέγα",
        "日本",
        "🙂",
        "\u202ea",
        "a\u200bb",
        "a\u00a0b",
        "x" * 300,
        "語" * 90,
    ),
)
BLANK = (" a", "a ", "\ta", "\ufeffa", "a\nb", "a\r\nb", "a\rb", "a\n", "\n", "\u2028", "\x85", "\x1c", "  ", "a\tb")

CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
"""Any that a file in UTF-8 can hold and a program can be told: no surrogates, no NUL."""


def texts(least: int = 0, most: int = 12) -> st.SearchStrategy[str]:
    """Texts of any kind: awkward words, words of the signs of our languages, and anything."""
    signs = st.text("ab|!=:;,*+.2 '\"", min_size=least, max_size=most)
    blank = st.sampled_from([text for text in (*AWKWARD, *BLANK, "") if len(text) >= least])
    return st.one_of(blank, signs, st.text(CHARACTERS, min_size=least, max_size=most))


def words(least: int = 1, most: int = 12) -> st.SearchStrategy[str]:
    """Texts without blanks around them, as labels and tags are."""
    return texts(least, most).map(str.strip).filter(lambda text: len(text) >= least)


def labels(least: int = 1, most: int = 6) -> st.SearchStrategy[list[str]]:
    """The labels of an attribute, sorted."""
    return st.lists(words(), min_size=least, max_size=most, unique=True).map(sorted)
