"""Certificate policies: which of them hold for a path (RFC 5280 section 6.1, RFC 9618).

A CA that vouches for more than a name, as that the key is in a smart card, says so by a policy.
It holds for a path if each certificate of it has the policy, or one that a CA above has mapped to
it, or anyPolicy where that is not inhibited. CAs may require that some policy holds, and so may we.

RFC 5280 keeps a tree of policies, which a hostile chain makes grow exponentially. RFC 9618 says
the same with a graph, which has one node for each policy of a certificate, and so grows as the
certificates do. One search has a budget of nodes and edges all the same, as it may go along many
paths.

The trust anchor is no part of the path: what it says of policies counts for nothing. A peer's
certificate that is trusted itself is believed for what it says of its own ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from cryptography import x509

from .._dataclass import dataclass
from ..errors import BadCertificate, InvalidPolicies, PolicyMismatch, UsageError
from .der import object_identifier
from .extensions import (
    CERTIFICATE_POLICIES,
    INHIBIT_ANY_POLICY,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
)
from .parsed_certificate import Facts
from .policy_extensions import ANY_POLICY, PolicyExtensions, read_policy_extensions

__all__ = [
    "ANY_POLICY_NAME",
    "POLICY_EXTENSIONS",
    "PolicyInputs",
    "PolicyKey",
    "PolicySearch",
    "check_policies_held",
    "policy_names",
]

ANY_POLICY_NAME = "2.5.29.32.0"
"""anyPolicy: whoever has it vouches for every policy."""
POLICY_EXTENSIONS = frozenset(
    (CERTIFICATE_POLICIES, INHIBIT_ANY_POLICY, POLICY_CONSTRAINTS, POLICY_MAPPINGS)
)
"""Those that say something of policies; where a path has none of them, no policy holds."""
_STEPS = 10_000  # nodes and edges of one search; those of the world have some hundreds
_STEPS_TO_NAME = 4  # what it costs to write an identifier in numbers
_SHOWN = 6


PolicyKey = tuple[frozenset[str], bool, bool, bool]


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """What is asked of the policies of a path, in the words of RFC 5280 section 6.1.1.

    By default nothing is, and it is for the path's CAs to require one.
    """

    user_initial_policy_set: frozenset[str] = frozenset()
    """Policies that are acceptable, as dotted numbers; empty for any."""
    initial_explicit_policy: bool = False
    """Whether one of them must hold, though no CA requires it."""
    initial_policy_mapping_inhibit: bool = False
    """Whether CAs may not map policies to others."""
    initial_any_policy_inhibit: bool = False
    """Whether anyPolicy in a certificate counts for nothing."""

    def __post_init__(self) -> None:
        names = policy_names("user_initial_policy_set", self.user_initial_policy_set)
        object.__setattr__(self, "user_initial_policy_set", frozenset(names) - {ANY_POLICY_NAME})
        if ANY_POLICY_NAME in names:
            object.__setattr__(self, "user_initial_policy_set", frozenset())

    @property
    def key(self) -> PolicyKey:
        """All of it, as something whose comparison calls nothing of ours."""
        return (
            self.user_initial_policy_set,
            self.initial_explicit_policy,
            self.initial_policy_mapping_inhibit,
            self.initial_any_policy_inhibit,
        )

    @classmethod
    def demanding(cls, policies: Iterable[str]) -> PolicyInputs:
        """Demand that one of some policies holds; nothing if there are none."""
        names = frozenset(policy_names("policies", policies))
        return cls(names, initial_explicit_policy=bool(names))

    def and_of(self, policies: Collection[str]) -> PolicyInputs:
        """Demand that one of these holds, too.

        Raises:
            PolicyMismatch: none of them is acceptable.
        """
        wanted, acceptable = frozenset(policies), self.user_initial_policy_set
        if ANY_POLICY_NAME in wanted:
            wanted = acceptable
        elif acceptable:
            wanted &= acceptable
            if not wanted:
                raise PolicyMismatch(
                    f"expected one of the policies {_listed(policies)}, of which the verifier "
                    f"accepts none: {_listed(acceptable)}"
                )
        return PolicyInputs(
            wanted, True, self.initial_policy_mapping_inhibit, self.initial_any_policy_inhibit
        )


def policy_names(what: str, policies: Iterable[str]) -> tuple[str, ...]:
    """Check the identifiers of policies that our own side names.

    Raises:
        UsageError: one is no object identifier in dotted numbers.
    """
    names = (policies,) if isinstance(policies, str) else tuple(policies)
    for name in names:
        try:
            x509.ObjectIdentifier(name)
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{what}: expected object identifiers in dotted numbers, got {name!r}"
            ) from error
    if isinstance(policies, str):
        raise UsageError(f"{what}: expected several identifiers, got {policies!r} alone")
    return names


def check_policies_held(held: Collection[str], wanted: Collection[str]) -> None:
    """Check that one of the policies that are wanted is among those that hold.

    Raises:
        PolicyMismatch: none is; where none is wanted, that is never so.
    """
    if not wanted or ANY_POLICY_NAME in held:
        return
    if not (held if ANY_POLICY_NAME in wanted else set(held) & set(wanted)):
        raise PolicyMismatch(f"expected one of the policies {_listed(wanted)}, got {_listed(held)}")


class PolicySearch:
    """Finds which policies hold for the paths of one search.

    Args:
        inputs: what is asked for.
    """

    __slots__ = ("_inputs", "_read", "_steps_left")

    def __init__(self, inputs: PolicyInputs) -> None:
        self._inputs = inputs
        self._read: dict[bytes, PolicyExtensions] = {}
        self._steps_left = _STEPS

    def check(self, path: Sequence[Facts]) -> frozenset[str]:
        """Go through a path, and return which of the acceptable policies hold for it.

        Args:
            path: leaf first, trust anchor last; or a leaf that is trusted itself.

        Raises:
            PolicyMismatch: a policy is required, and none that is acceptable holds.
            InvalidPolicies: what a certificate says of policies is against the rules.
            BadCertificate: there is too much of it.
        """
        certificates = path[-2::-1] if len(path) > 1 else path  # in the order of issuing
        if not self._inputs.initial_explicit_policy and _says_nothing(certificates):
            return frozenset()
        return self._process(certificates)

    def _process(self, certificates: Sequence[Facts]) -> frozenset[str]:
        """Do what sections 6.1.2 to 6.1.5 say of policies."""
        inputs, count = self._inputs, len(certificates)
        never = count + 1
        explicit_policy = 0 if inputs.initial_explicit_policy else never
        policy_mapping = 0 if inputs.initial_policy_mapping_inhibit else never
        inhibit_any_policy = 0 if inputs.initial_any_policy_inhibit else never
        level = {ANY_POLICY: _Node(ANY_POLICY, ())}  # the graph's deepest; empty for NULL
        for index, facts in enumerate(certificates, 1):
            is_last = index == count
            said = self._read_once(facts)
            any_counts = inhibit_any_policy > 0 or (not is_last and facts.is_self_issued)
            level = self._next_level(level, said.policies, any_counts=any_counts)
            if not level and explicit_policy == 0:  # 6.1.3 (f)
                raise self._nothing_holds(facts)
            if is_last:
                break
            self._map(level, said.mappings, facts, allowed=policy_mapping > 0)
            if not facts.is_self_issued:  # 6.1.4 (h)
                explicit_policy = max(explicit_policy - 1, 0)
                policy_mapping = max(policy_mapping - 1, 0)
                inhibit_any_policy = max(inhibit_any_policy - 1, 0)
            required, inhibited = said.constraints  # 6.1.4 (i), (j)
            explicit_policy = _least(explicit_policy, required)
            policy_mapping = _least(policy_mapping, inhibited)
            inhibit_any_policy = _least(inhibit_any_policy, said.inhibit_any_policy)
        explicit_policy = max(explicit_policy - 1, 0)  # 6.1.5 (a), (b)
        if said.constraints.require_explicit_policy == 0:
            explicit_policy = 0
        held = self._acceptable(self._authority_constrained(level))
        if explicit_policy == 0 and not held:
            raise self._nothing_holds(certificates[-1])
        return held

    def _next_level(
        self,
        level: dict[bytes, _Node],
        policies: frozenset[bytes] | None,
        *,
        any_counts: bool,
    ) -> dict[bytes, _Node]:
        """Make the nodes of the next certificate (6.1.3 (d), (e)).

        A node that gets no child is not looked for: who goes up from the deepest level does not
        come to it.
        """
        if not level or policies is None:
            return {}
        expected: dict[bytes, list[_Node]] = {}
        for node in level.values():
            self._spend(len(node.expected))
            for policy in node.expected:
                expected.setdefault(policy, []).append(node)
        any_node = level.get(ANY_POLICY)
        self._spend(len(policies))
        found = {}
        for policy in policies:
            parents = expected.get(policy)
            if parents is None and any_node is not None:
                parents = [any_node]
            if parents is not None and policy != ANY_POLICY:
                found[policy] = _Node(policy, parents)
        if any_counts and ANY_POLICY in policies:
            self._spend(len(expected))
            for policy, parents in expected.items():
                if policy not in found:
                    found[policy] = _Node(policy, parents)
        return found

    def _map(
        self,
        level: dict[bytes, _Node],
        mappings: tuple[tuple[bytes, bytes], ...],
        facts: Facts,
        *,
        allowed: bool,
    ) -> None:
        """Let the next certificate have other policies for these (6.1.4 (a), (b))."""
        self._spend(len(mappings))
        equivalent: dict[bytes, dict[bytes, None]] = {}
        for ours, theirs in mappings:
            if ANY_POLICY in (ours, theirs):
                raise InvalidPolicies(f"certificate {facts} maps anyPolicy")
            equivalent.setdefault(ours, {})[theirs] = None
        any_node = level.get(ANY_POLICY)
        for policy, others in equivalent.items():
            if not allowed:
                level.pop(policy, None)
            elif policy in level:
                level[policy].expected = others
            elif any_node is not None:
                level[policy] = _Node(policy, any_node.parents, others)

    def _authority_constrained(self, level: dict[bytes, _Node]) -> set[bytes]:
        """Find what the path's CAs vouch for, in the words of the first (6.1.5 (g) 1 to 4)."""
        found = {ANY_POLICY} if ANY_POLICY in level else set()
        waiting = list(level.values())
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            if node.policy != ANY_POLICY and node.parents[0].policy == ANY_POLICY:
                found.add(node.policy)
            for parent in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return found

    def _acceptable(self, policies: set[bytes]) -> frozenset[str]:
        """Leave out what is not acceptable (6.1.5 (g) 5 and 6)."""
        acceptable = self._inputs.user_initial_policy_set
        if acceptable and ANY_POLICY in policies:
            return acceptable
        self._spend(_STEPS_TO_NAME * len(policies))
        named = frozenset([name for name in map(_name, policies) if name is not None])
        return named & acceptable if acceptable else named

    def _read_once(self, facts: Facts) -> PolicyExtensions:
        said = self._read.get(facts.der)
        if said is None:
            said = self._read[facts.der] = read_policy_extensions(facts)
        return said

    def _spend(self, steps: int) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise BadCertificate("the chain is too intricate: too many policies")

    def _nothing_holds(self, facts: Facts) -> PolicyMismatch:
        acceptable = self._inputs.user_initial_policy_set
        which = f"of the policies {_listed(acceptable)}" if acceptable else "certificate policy"
        return PolicyMismatch(
            f"a certificate policy is required, and no {which} holds from the trust anchor to "
            f"certificate {facts}"
        )


class _Node:
    """A policy that is valid at one certificate of the path.

    It has several parents where CAs mapped several policies to this one; else one, as all whose
    parent is anyPolicy.
    """

    __slots__ = ("expected", "parents", "policy")

    def __init__(
        self, policy: bytes, parents: Sequence[_Node], expected: Collection[bytes] | None = None
    ) -> None:
        self.policy = policy
        self.parents = parents
        self.expected: Collection[bytes] = (policy,) if expected is None else expected


def _says_nothing(certificates: Sequence[Facts]) -> bool:
    """Whether no policy can hold for a path, and nothing in it has to be understood."""
    nothing = False
    for facts in certificates:
        content = facts.content
        extensions = content.extensions
        if (
            POLICY_CONSTRAINTS in extensions
            or POLICY_MAPPINGS in extensions
            or INHIBIT_ANY_POLICY in extensions
            or CERTIFICATE_POLICIES in content.critical
        ):
            return False
        nothing = nothing or CERTIFICATE_POLICIES not in extensions
    return nothing


def _least(number: int, other: int | None) -> int:
    return number if other is None else min(number, other)


def _name(policy: bytes) -> str | None:
    try:
        return object_identifier(policy)
    except ValueError:  # no identifier, or a longer one than anybody has: it holds for nobody
        return None


def _listed(policies: Collection[str]) -> str:
    names = sorted(policies)
    more = " …" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more
