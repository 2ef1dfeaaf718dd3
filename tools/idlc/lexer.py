"""Splits IDL text into tokens. A comment that stands directly before something is kept as that token's doc text."""
import re
from collections import namedtuple


class IdlError(Exception):
    """An error in IDL text; printed as file:line: message."""

    def __init__(self, at, message):
        super().__init__("%s:%d: %s" % (at.file, at.line, message))
        self.at = at
        self.message = message


Place = namedtuple("Place", "file line")
Token = namedtuple("Token", "kind text at doc")

_PATTERNS = re.compile(
    r"""(?P<space>[ \t\r]+)
      | (?P<newline>\n)
      | (?P<comment>//[^\n]*)
      | (?P<block>/\*.*?\*/)
      | (?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)
      | (?P<number>0[xX][0-9a-fA-F]+\b|[0-9]+\b)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<string>"(?:[^"\\\n]|\\["\\])*")
      | (?P<punct>[\[\](){};:,=*+\-])
    """,
    re.X | re.S,
)


def tokenize(text, file):
    """Returns the tokens of `text`, the last one of kind 'end'."""
    tokens = []
    line = 1
    position = 0
    doc = []         # comment lines that may belong to the next token
    fresh = True     # nothing but space so far on this line
    blank = False    # an empty line ended the comment block
    while position < len(text):
        at = Place(file, line)
        match = _PATTERNS.match(text, position)
        if not match:
            bad = text[position]
            what = "unterminated string" if bad == '"' else "unexpected character %r" % bad
            raise IdlError(at, what)
        position = match.end()
        kind, lexeme = match.lastgroup, match.group()
        if kind == "newline":
            line += 1
            if fresh:
                blank = True
            fresh = True
        elif kind == "comment":
            if fresh:
                if blank:
                    doc = []
                doc.append(lexeme[2:].strip())
            blank = False
            fresh = False
        elif kind == "block":
            line += lexeme.count("\n")
            doc, blank, fresh = [], False, False
        elif kind != "space":
            if blank:
                doc = []
            if kind == "string":
                lexeme = re.sub(r"\\(.)", r"\1", lexeme[1:-1])
            tokens.append(Token(kind, lexeme, at, " ".join(doc)))
            doc, blank, fresh = [], False, False
    tokens.append(Token("end", "end of file", Place(file, line), ""))
    return tokens
