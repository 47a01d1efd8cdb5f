"""Secrets: found by their names, by their shapes, or because they were found elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "<hidden>"
MAX_KNOWN = 200  # values that are looked for everywhere

# Under these names everything is hidden.
_STRONG = (
    r"passw(?:or)?d|passwd|passphrase|secret|credential|api_?key|access_?key|private_?key|auth_?key|"
    r"auth_?token|access_?token|refresh_?token|bearer"
)
# Under these only texts are: `max_tokens=512` and `key_dim=64` are settings of a model.
_WEAK = ("key", "keys", "token", "tokens", "pwd")

# Patterns are texts here: `re` compiles and keeps them when they are first used, not when a run begins.
_WORDS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
_NUMBER = r"(?i)[+-]?[0-9][0-9_]*(\.[0-9]*)?(e[+-]?[0-9]+)?|true|false|null|none|\?\?\?|"
_SHAPES = (
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|"
    r"sk-[\w-]{20,}|wandb_v1_\w{20,}|xox[abprs]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|"
    r"npm_[A-Za-z0-9]{30,}|pypi-[\w-]{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_BEARER = r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"
_IN_URL = r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^/\s@'\"]{1,500}@"
# Each takes a time that grows with the text and no faster: a config may hold a page without a space.
_NAME = r"(?<![\w.\-/@+~])([\w.\-/@+~]+)[\"']?\s?[=:]\s?"
_VALUE = r"\"[^\"]*\"|'[^']*'|[^\s,&;}\])\"']+"


def is_secret_name(name: str, value: Any = "") -> bool:
    """Whether what has this name is hidden: it has key, token, password or secret among its words.

    Words are divided by _ - . / and capitals; `apikey` and `hftoken` end like one and count, `tokenizer` and
    `keyboard` do not. Numbers and booleans under key and token are not secrets, those under password are.
    """
    if re.search(_STRONG, re.sub(r"[\s.\-]", "_", name), re.IGNORECASE):
        return True
    if value is None or isinstance(value, bool | int | float):
        return False
    if isinstance(value, str) and re.fullmatch(_NUMBER, value.strip("\"'")):
        return False
    return any(word.lower().endswith(_WEAK) for word in re.findall(_WORDS, name))


class Hider:
    """Takes secrets out of texts, words of a command line, mappings and nested values."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: Any) -> None:
        """A value that was found under the name of a secret is hidden wherever else it comes.

        Only what cannot be a word, a path or a number that means something else.
        """
        text = str(value).strip("\"'")
        looks_random = len(text) >= 8 and re.search("[0-9]", text) and re.search("[A-Za-z]", text)
        if looks_random and not re.search(r"\s|^[/~.]", text) and len(self._known) < MAX_KNOWN:
            self._known |= {text, text.encode().decode("latin-1")}  # as bytes of a patch are read
            self._pattern = None

    def learn_from(self, named: Mapping[str, str]) -> None:
        """Learn from all of an environment, also from what of it is not written down."""
        for name, value in named.items():
            if is_secret_name(name, value):
                self.learn(value)

    def text(self, text: str) -> str:
        """A text without what is known or has the shape of a secret, or stands behind the name of one."""
        parts, end = [], 0
        for found in re.finditer(_NAME, text):
            if found.start() < end or not is_secret_name(found[1], "text"):
                continue
            value = re.compile(_VALUE).match(text, found.end())
            if value is None or not is_secret_name(found[1], value[0]):
                continue
            self.learn(value[0])
            quote = value[0][0] if value[0][0] in "\"'" else ""
            parts += [text[end : value.start()], quote, HIDDEN, quote]
            end = value.end()
        return self.shapes("".join([*parts, text[end:]]))

    def shapes(self, text: str) -> str:
        """A text without what is known or has the shape of a secret."""
        text = self.known(text)
        text = re.sub(_SHAPES, HIDDEN, text)
        text = re.sub(_BEARER, rf"\g<1>{HIDDEN}", text)
        return re.sub(_IN_URL, _without_user, text)

    def known(self, text: str) -> str:
        """A text without the values that were learned."""
        if not self._known:
            return text
        if self._pattern is None:
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(HIDDEN, text)

    def words(self, words: Sequence[str]) -> list[str]:
        """The words of a command line: `--password x`, `--api-key=x`, `+wandb.api_key=x`."""
        hidden: list[str] = []
        is_next = False
        for word in words:
            name, is_, value = word.partition("=")
            if is_next and not word.startswith("-"):
                self.learn(word)
                hidden.append(HIDDEN)
            elif is_ and is_secret_name(name, value):
                self._learn_all(value)
                hidden.append(f"{name}={HIDDEN}")
            else:
                hidden.append(self.text(word))
            is_next = word.startswith("-") and not is_ and is_secret_name(word, word)
        return hidden

    def _learn_all(self, value: str) -> None:
        for one in (value, *value.split(",")):  # a sweep over several
            self.learn(one)

    def named(self, values: Mapping[str, str]) -> dict[str, str]:
        """Values by names, such as an environment."""
        return {name: HIDDEN if is_secret_name(name, v) else self.text(v) for name, v in values.items()}

    def nested(self, value: Any, name: str = "") -> Any:
        """Nested mappings and lists, such as a config: what stands under a secret's name is hidden whole."""
        if isinstance(value, Mapping):
            if name and re.search(_STRONG, name, re.IGNORECASE):
                return {k: self._all(v) for k, v in value.items()}
            return {k: self.nested(v, str(k)) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return self._listed(value, name)
        if value is not None and name and is_secret_name(name, value):
            return self._all(value)
        return self.text(value) if isinstance(value, str) else value

    def _listed(self, values: Sequence[Any], name: str) -> list[Any]:
        """Of a list, which may be a command line."""
        hidden: list[Any] = []
        before: Any = None
        for value in values:
            is_behind_option = (
                isinstance(before, str)
                and isinstance(value, str)
                and re.fullmatch(r"--?[\w.-]+", before) is not None
                and not value.startswith("-")
            )
            if is_behind_option and is_secret_name(before, value):
                hidden.append(self._all(value))
            else:
                hidden.append(self.nested(value, name))
            before = value
        return hidden

    def nested_texts(self, value: Any) -> Any:
        """Nested mappings and lists whose names say nothing, such as what is installed: texts are cleaned."""
        if isinstance(value, Mapping):
            return {k: self.nested_texts(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.nested_texts(one) for one in value]
        return self.shapes(value) if isinstance(value, str) else value

    def _all(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: self._all(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._all(one) for one in value]
        if value is None or value == "" or value == "???":
            return value  # it was not given: that is worth knowing
        self.learn(value)
        return HIDDEN


def _without_user(found: re.Match[str]) -> str:
    # git@host is the name of a service, not of a person; everything with http is a person or a token.
    scheme = found[1].lower()
    user = found[0][len(scheme) : -1]
    return found[0] if ":" not in user and scheme.startswith(("ssh", "git+ssh")) else f"{found[1]}{HIDDEN}@"


def secret_file(path: str) -> bool:
    """Whether a file is one that holds secrets, by its name: .env, *.pem, id_rsa, credentials.json, ..."""
    return re.fullmatch(_FILES, path.rsplit("/", 1)[-1].lower()) is not None


_FILES = (
    r"\.env(\..*)?|.*\.env|\.envrc|\.netrc|_netrc|\.pgpass|\.npmrc|\.pypirc|\.htpasswd|kaggle\.json|"
    r"id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)|"
    r"(.*[._-])?(credential|secret|passw(or)?d|api[_-]?key|access[_-]?token|auth[_-]?token)s?(\.(json|ya?ml|toml|ini|cfg|txt|conf))?|"
    r"tokens?(\.(json|txt))?"
)
