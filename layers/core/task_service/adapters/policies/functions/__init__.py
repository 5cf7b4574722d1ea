"""OPA's functions that policies can call: those of the engine that give OPA's values, and our own.

A function is available only if it is named here. A refusal replaces every other function of the engine, so that no way
to call it (`opa["runtime"]()`, `with count as http.send`) gives a value.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions import crypto, network, text
from task_service.adapters.policies.functions.encoding import Encoding, bits
from task_service.adapters.policies.functions.formatting import Formatting
from task_service.adapters.policies.functions.misc import Checked
from task_service.adapters.policies.functions.patterns import Native, Patterns
from task_service.adapters.policies.functions.times import Times
from task_service.adapters.policies.numbers import Numbers, arithmetic, rounding

Functions = Mapping[str, tuple[int, Callable[..., Any]]]
"""Functions by their names, with their numbers of arguments."""

_OF_THE_ENGINE: Final = {
    "": (
        "concat contains endswith format_int intersection is_array is_boolean is_null is_number "
        "is_object is_set is_string max min print sort split startswith trim trim_left trim_prefix "
        "trim_right trim_space trim_suffix type_name union walk"
    ),
    "array": "concat reverse slice",
    "base64": "decode encode",
    "base64url": "decode encode encode_no_pad",
    "glob": "quote_meta",
    "graph": "reachable",
    "hex": "decode encode",
    "json": "patch",
    "net": "cidr_expand",
    "numbers": "range range_step",
    "object": "filter get keys remove union union_n",
    "rand": "intn",
    "strings": "any_prefix_match any_suffix_match reverse",
    "time": "clock date diff now_ns parse_duration_ns weekday",
    "uuid": "rfc4122",
}
OF_THE_ENGINE: Final = frozenset(
    f"{group}.{name}".lstrip(".") for group, names in _OF_THE_ENGINE.items() for name in names.split()
)
"""The engine's functions that do as OPA does. The others are done here, or refused."""

REFUSED: Final = {
    "`http.send`, `net.lookup_ip_addr`, `opa.runtime`, `rego.*`, `trace`": "tell of the network or the machine",
    "`io.jwt.encode_sign*`, `crypto.x509.*`, `crypto.parse_private_keys`, `providers.aws.*`": "handle private keys",
    "`yaml.*`, `json.marshal_with_options`, `base64.is_valid`, `regex.globs_match`, `regex.template_match`, "
    "`graph.reachable_paths`, `strings.render_template`, `graphql.*`": "are not known to give what OPA gives",
    "`any`, `all`, `cast_*`, `set_diff`, `net.cidr_overlap`": "were removed from OPA",
}
"""Functions that are not available, and why, as the documentation has them."""


def own(numbers: Callable[[], Numbers], native: Native, *, with_tokens: bool) -> Functions:
    """The functions that are done here."""
    encoding, patterns, times = Encoding(numbers), Patterns(native), Times(native)
    checked, formatting = Checked(native), Formatting(numbers)
    found: dict[str, tuple[int, Callable[..., Any]]] = {
        **{name: (1 if name in ("sum", "product") else 2, function) for name, function in arithmetic(numbers).items()},
        **{name: (1, function) for name, function in rounding(numbers).items()},
        **{f"bits.{name}": (2, bits(name)) for name in ("and", "or", "xor", "lsh", "rsh")},
        **{f"crypto.{name}": (1, crypto.digest(name)) for name in ("md5", "sha1", "sha256")},
        **{f"crypto.hmac.{name}": (2, crypto.mac(name)) for name in ("md5", "sha1", "sha256", "sha512")},
        "bits.negate": (1, bits("negate")),
        "count": (1, text.count),
        "crypto.hmac.equal": (2, crypto.macs_equal),
        "glob.match": (3, patterns.glob),
        "indexof": (2, text.indexof),
        "indexof_n": (2, text.indexof_n),
        "json.filter": (2, checked.filter),
        "json.is_valid": (1, encoding.is_valid),
        "json.marshal": (1, encoding.marshal),
        "json.match_schema": (2, checked.match_schema),
        "json.remove": (2, checked.remove),
        "json.unmarshal": (1, encoding.unmarshal),
        "json.verify_schema": (1, checked.verify_schema),
        "lower": (1, text.lower),
        "net.cidr_contains": (2, network.contains),
        "net.cidr_contains_matches": (2, network.matches),
        "net.cidr_intersects": (2, network.intersects),
        "net.cidr_is_valid": (1, network.is_valid),
        "net.cidr_merge": (1, network.merge),
        "array.flatten": (1, checked.flatten),
        "regex.find_all_string_submatch_n": (3, patterns.find_submatches),
        "regex.find_n": (3, patterns.find_n),
        "regex.is_valid": (1, patterns.is_valid),
        "regex.match": (2, patterns.match),
        "object.subset": (2, checked.subset),
        "re_match": (2, patterns.match),
        "regex.replace": (3, patterns.replace),
        "regex.split": (2, patterns.split),
        "replace": (3, text.replace),
        "semver.compare": (2, text.semver_compare),
        "semver.is_valid": (1, text.semver_is_valid),
        "sprintf": (2, formatting.sprintf),
        "strings.count": (2, text.occurrences),
        "strings.replace_n": (2, text.replace_n),
        "substring": (3, text.substring),
        "time.add_date": (4, times.add_date),
        "time.format": (1, times.format),
        "time.parse_ns": (2, times.parse),
        "time.parse_rfc3339_ns": (1, times.parse_rfc3339),
        "to_number": (1, encoding.to_number),
        "units.parse": (1, encoding.units),
        "units.parse_bytes": (1, encoding.bytes),
        "upper": (1, text.upper),
        "urlquery.decode": (1, text.query_decode),
        "urlquery.decode_object": (1, text.query_decode_object),
        "urlquery.encode": (1, text.query_encode),
        "urlquery.encode_object": (1, text.query_encode_object),
        "uuid.parse": (1, checked.uuid),
    }
    if with_tokens:
        from task_service.adapters.policies.functions.tokens import Tokens

        found |= Tokens(numbers).functions()
    return {name: (arguments, _guarded(name, function)) for name, (arguments, function) in found.items()}


def refuse(name: str) -> Callable[..., Any]:
    """A function in the place of one that is not available."""

    def refused(*_: Any) -> Any:
        raise Refused(f"the function {name} is not known or not available to policies")

    return refused


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose refusals start with its name."""

    def guarded(*values: Any) -> Any:
        try:
            for value in values:
                if isinstance(value, set | dict | list):
                    _refuse_mixed(value)
            return function(*values)
        except Refused as refused:
            raise Refused(f"{name}: {refused}") from None

    return guarded


def _refuse_mixed(values: Iterable[Any]) -> None:
    """Python takes true for 1, so a set or an object with either may have lost a member on its way here."""
    if isinstance(values, set | dict) and any(isinstance(value, bool) for value in values):
        raise Refused("a set or an object's names with true or false cannot be used here")
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, set | dict | list):
            _refuse_mixed(value)
