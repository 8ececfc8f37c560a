"""Which policies hold for a path; PKITS says more of it (`test_pkits`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from postshake.constants import Role
from postshake.errors import BadCertificate, InvalidPolicies, PolicyMismatch, UsageError
from postshake.pki.parsed_certificate import Facts
from postshake.pki.policies import (
    ANY_POLICY_NAME as ANY,
)
from postshake.pki.policies import (
    PolicyInputs,
    PolicySearch,
    check_policies_held,
)
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore
from tests import forging as f
from tests.certs import NOW, new_key

KEY = new_key()
A, B, C, D = (f"1.2.{number}" for number in range(1, 5))


@dataclass
class Said:
    """What one certificate says of policies."""

    policies: Iterable[str] | None = None
    mappings: Iterable[tuple[str, str]] = ()
    explicit: int | None = None
    inhibit_mapping: int | None = None
    inhibit_any: int | None = None
    self_issued: bool = False

    def extensions(self) -> list[bytes]:
        found = []
        if self.policies is not None:
            found.append(f.extension("2.5.29.32", f.seq(*(f.seq(f.oid(p)) for p in self.policies))))
        if self.mappings:
            pairs = [f.seq(f.oid(ours), f.oid(theirs)) for ours, theirs in self.mappings]
            found.append(f.extension("2.5.29.33", f.seq(*pairs), critical=True))
        limits = ((0x80, self.explicit), (0x81, self.inhibit_mapping))
        parts = [f.tlv(tag, bytes([number])) for tag, number in limits if number is not None]
        if parts:
            found.append(f.extension("2.5.29.36", f.seq(*parts), critical=True))
        if self.inhibit_any is not None:
            found.append(f.extension("2.5.29.54", f.integer(self.inhibit_any), critical=True))
        return found


def path_of(*said: Said) -> list[Facts]:
    """A path, leaf first, of what is said from the anchor down."""
    made = [Facts(f.CA("Root", KEY).own())]
    issuer = "Root"
    for number, each in enumerate(said):
        subject = issuer if each.self_issued else f"CA {number}"
        extensions = [f.BASIC_CA, *each.extensions()]
        made.append(Facts(f.CA(issuer, KEY).issue(subject, f.spki(KEY), *extensions)))
        issuer = subject
    return made[::-1]


def held(*said: Said, inputs: PolicyInputs | None = None) -> set[str]:
    return set(PolicySearch(inputs or PolicyInputs()).check(path_of(*said)))


def refused(*said: Said, inputs: PolicyInputs | None = None) -> None:
    with pytest.raises(PolicyMismatch):
        held(*said, inputs=inputs)


def wanting(*policies: str, **rest: bool) -> PolicyInputs:
    return PolicyInputs(frozenset(policies), initial_explicit_policy=True, **rest)


def test_what_all_have_holds() -> None:
    assert held(Said([A, B]), Said([B, C])) == {B}
    assert held(Said([A, B]), Said([B, A]), inputs=wanting(A, C)) == {A}
    assert held(Said([A]), Said([B])) == set()
    assert held(Said(), Said([A])) == set()
    assert held(Said([A]), Said()) == set()
    assert held(Said([ANY]), Said([A, B])) == {A, B}
    assert held(Said([ANY]), Said([ANY])) == {ANY}
    assert held(Said([ANY]), Said([ANY]), inputs=wanting(A, B)) == {A, B}


def test_what_is_required_must_hold() -> None:
    assert held(Said([A], explicit=0), Said([A])) == {A}
    refused(Said([A], explicit=0), Said([B]))
    refused(Said([A], explicit=0), Said())
    refused(Said(explicit=0), Said([A]))
    assert held(Said([A], explicit=2), Said()) == set()  # from a third certificate on
    refused(Said([A], explicit=1), Said())
    refused(Said([A]), Said([A]), inputs=wanting(B))
    refused(Said([A]), Said(), inputs=PolicyInputs(initial_explicit_policy=True))
    assert held(Said([A]), Said([A]), inputs=PolicyInputs(frozenset([B]))) == set()
    refused(Said([A], explicit=0), Said([A]), inputs=PolicyInputs(frozenset([B])))


def test_mapped_policies_go_by_the_first_name() -> None:
    """Smart cards of another PKI: its policies hold as ours."""
    bridge = Said([A], [(A, B), (A, C)])
    assert held(bridge, Said([B])) == {A}
    assert held(bridge, Said([B, C])) == {A}
    assert held(bridge, Said([A])) == set()
    assert held(bridge, Said([B]), inputs=wanting(A)) == {A}
    refused(bridge, Said([B]), inputs=wanting(B))
    refused(bridge, Said([B]), inputs=wanting(A, initial_policy_mapping_inhibit=True))
    refused(Said([A], inhibit_mapping=0), bridge, Said([B]), inputs=wanting(A))
    assert held(Said([ANY], [(A, B)]), Said([B])) == {A}
    assert held(Said([A, B], [(A, C), (B, C)]), Said([C])) == {A, B}


@pytest.mark.parametrize("pair", [(ANY, A), (A, ANY)])
def test_any_policy_may_not_be_mapped(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidPolicies, match="maps anyPolicy"):
        held(Said([A, ANY], [pair]), Said([A]))


def test_any_policy_may_be_inhibited() -> None:
    assert held(Said([ANY], inhibit_any=1), Said([A])) == {A}
    assert held(Said([ANY], inhibit_any=0), Said([ANY])) == set()
    assert held(Said([A], inhibit_any=0), Said([ANY], self_issued=True), Said([A])) == {A}
    inhibited = PolicyInputs(initial_any_policy_inhibit=True)
    assert held(Said([ANY]), Said([A]), inputs=inhibited) == set()


def test_what_the_anchor_says_counts_for_nothing() -> None:
    root = f.CA("Root", KEY)
    anchor = root.own(*Said([A], explicit=0, inhibit_any=0).extensions())
    leaf = root.issue("leaf", f.spki(KEY), f.DIGITAL_SIGNATURE, *Said([B]).extensions())
    verifier = ChainVerifier(TrustStore([anchor]))
    peer = PeerChain((leaf,), Role.client, None, None, NOW.timestamp())
    assert verifier.verify(peer).policies == {B}


def test_who_is_trusted_itself_is_believed_for_its_own_policies() -> None:
    leaf = f.CA("Root", KEY).issue("leaf", f.spki(KEY), *Said([B]).extensions())
    peer = PeerChain((leaf,), Role.client, None, None, NOW.timestamp())
    assert ChainVerifier(TrustStore([leaf])).verify(peer).policies == {B}
    assert ChainVerifier(TrustStore([leaf]), policies=[B]).verify(peer).policies == {B}
    with pytest.raises(PolicyMismatch):
        ChainVerifier(TrustStore([leaf]), policies=[A]).verify(peer)


def test_another_path_is_looked_for() -> None:
    """Two authorities of one name and key; only by one of them the policy holds."""
    root, sub = f.CA("Root", KEY), f.CA("Sub", new_key())
    with_a, with_b = (
        root.issue("Sub", f.spki(sub.key), f.BASIC_CA, *Said([each]).extensions())
        for each in (A, B)
    )
    leaf = sub.issue("leaf", f.spki(KEY), f.DIGITAL_SIGNATURE, *Said([A, B]).extensions())
    for wanted, chain in ((A, (with_a, with_b)), (B, (with_a, with_b)), (A, (with_b, with_a))):
        peer = PeerChain((leaf, *chain), Role.client, None, None, NOW.timestamp())
        verifier = ChainVerifier(TrustStore([root.own()]), policies=[wanted])
        verdict = verifier.verify(peer)
        assert verdict.policies == {wanted}
        assert verdict.certificates[1] == {A: with_a, B: with_b}[wanted]


def test_a_request_s_policies_are_demanded_beside_the_verifier_s() -> None:
    root = f.CA("Root", KEY)
    leaf = root.issue("leaf", f.spki(KEY), f.DIGITAL_SIGNATURE, *Said([A, B]).extensions())

    def ask(verifier: ChainVerifier, *policies: str) -> set[str]:
        at = NOW.timestamp()
        return set(
            verifier.verify(PeerChain((leaf,), Role.client, None, None, at, policies)).policies
        )

    store = TrustStore([root.own()])
    plain, strict = ChainVerifier(store), ChainVerifier(store, policies=[B, C])
    assert ask(plain) == {A, B}
    assert ask(plain, A) == {A}  # and not what is remembered of before
    assert ask(plain) == {A, B}
    assert ask(plain, ANY) == {A, B}
    assert ask(strict) == ask(strict, A, B) == ask(strict, ANY) == {B}
    for verifier, policy in ((plain, C), (strict, A), (strict, C)):
        with pytest.raises(PolicyMismatch):
            ask(verifier, policy)
    nobody = ChainVerifier(store, policies=None)
    assert ask(nobody) == set()
    assert ask(nobody, A) == {A}
    plain.policies = [C]
    with pytest.raises(PolicyMismatch):
        ask(plain)


@pytest.mark.parametrize(
    "name", [lambda: PolicyInputs(frozenset(["card"])), lambda: PolicyInputs.demanding("1.2.3"),
             lambda: ChainVerifier(TrustStore(), policies=["1.2.x"])]
)  # fmt: skip
def test_a_wrong_identifier_is_told_at_once(name: Callable[[], Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        name()


def test_what_is_held_against_what_is_wanted() -> None:
    for has, wanted in (((A,), (A, B)), ((ANY,), (A,)), ((A,), (ANY,)), ((), ())):
        check_policies_held(has, wanted)
    for has, wanted in (((A,), (B,)), ((), (A,)), ((), (ANY,))):
        with pytest.raises(PolicyMismatch, match="got"):
            check_policies_held(has, wanted)


def test_what_grew_exponentially_does_not() -> None:
    """Sixteen policies, each mapped to all: RFC 5280's tree has 16 ** 8 nodes then."""
    some = [f"1.2.{number}" for number in range(16)]
    every = [(ours, theirs) for ours in some for theirs in some]
    levels = [Said(some, every) for _ in range(8)]
    assert held(*levels, Said(some[:1])) == set(some)


def test_one_search_has_one_budget() -> None:
    some = [f"1.2.{number}" for number in range(256)]
    path = path_of(Said(some), Said(some, explicit=0), Said(["1.3.1"]))
    search = PolicySearch(PolicyInputs())
    with pytest.raises(PolicyMismatch):
        search.check(path)
    for _ in range(30):
        with pytest.raises((PolicyMismatch, BadCertificate)) as caught:
            search.check(path)
    assert "too many policies" in str(caught.value)


# --- RFC 5280's own tree, word for word, as the oracle


@dataclass(eq=False)
class TreeNode:
    policy: str
    expected: set[str]
    depth: int
    parent: TreeNode | None
    children: list[TreeNode] = field(default_factory=list)

    def child(self, policy: str, expected: set[str]) -> None:
        self.children.append(TreeNode(policy, expected, self.depth + 1, self))

    def at(self, depth: int) -> list[TreeNode]:
        if self.depth == depth:
            return [self]
        return [found for each in self.children for found in each.at(depth)]

    def prune(self, depth: int) -> bool:
        """Drop what does not reach a depth; whether something is left."""
        self.children = [each for each in self.children if each.prune(depth)]
        return self.depth == depth or bool(self.children)


def by_the_tree(said: list[Said], inputs: PolicyInputs) -> set[str] | None:
    """Sections 6.1.2 to 6.1.5 of RFC 5280; None for a path that fails."""
    count = len(said)
    tree: TreeNode | None = TreeNode(ANY, {ANY}, 0, None)
    explicit = 0 if inputs.initial_explicit_policy else count + 1
    mapping = 0 if inputs.initial_policy_mapping_inhibit else count + 1
    inhibit = 0 if inputs.initial_any_policy_inhibit else count + 1
    for i, each in enumerate(said, 1):
        if each.policies is None:
            tree = None
        if tree is not None and each.policies is not None:
            for policy in each.policies:
                if policy == ANY:
                    continue
                above = tree.at(i - 1)
                matching = [node for node in above if policy in node.expected]
                for node in matching or [node for node in above if node.policy == ANY]:
                    node.child(policy, {policy})
            if ANY in each.policies and (inhibit > 0 or (i < count and each.self_issued)):
                for node in tree.at(i - 1):
                    has = {child.policy for child in node.children}
                    for policy in node.expected - has:
                        node.child(policy, {policy})
            if not tree.prune(i):
                tree = None
        if explicit == 0 and tree is None:
            return None
        if i == count:
            break
        if any(ANY in pair for pair in each.mappings):
            return None
        for ours in dict.fromkeys(pair[0] for pair in each.mappings):
            others = {theirs for mapped, theirs in each.mappings if mapped == ours}
            if tree is None:
                break
            nodes = [node for node in tree.at(i) if node.policy == ours]
            if mapping > 0:
                for node in nodes:
                    node.expected = set(others)
                if not nodes:
                    for node in [node for node in tree.at(i) if node.policy == ANY]:
                        assert node.parent is not None
                        node.parent.child(ours, set(others))
            else:
                for node in nodes:
                    assert node.parent is not None
                    node.parent.children.remove(node)
                if not tree.prune(i):
                    tree = None
        if not each.self_issued:
            explicit, mapping, inhibit = (max(n - 1, 0) for n in (explicit, mapping, inhibit))
        if each.explicit is not None:
            explicit = min(explicit, each.explicit)
        if each.inhibit_mapping is not None:
            mapping = min(mapping, each.inhibit_mapping)
        if each.inhibit_any is not None:
            inhibit = min(inhibit, each.inhibit_any)
    explicit = max(explicit - 1, 0)
    if said[-1].explicit == 0:
        explicit = 0
    found: set[str] = set()
    if tree is not None:
        nodes = [node for depth in range(1, count + 1) for node in tree.at(depth)]
        found = {
            node.policy
            for node in nodes
            if node.parent is not None
            and node.parent.policy == ANY
            and (node.policy != ANY or node.depth == count)
        }
    acceptable = set(inputs.user_initial_policy_set)
    if acceptable:
        found = acceptable if ANY in found else found & acceptable
    return found if found or explicit > 0 else None


def chance(random: Random) -> tuple[list[Said], PolicyInputs]:
    def some(most: int) -> list[str]:
        return random.sample([A, B, C, D, ANY], random.randint(1, most))

    def limit() -> int | None:
        return random.choice([None, None, None, 0, 1, 2])

    said = [
        Said(
            some(4) if random.random() < 0.93 else None,
            tuple({(random.choice([A, B, C, D]), random.choice([A, B, C, D])) for _ in range(3)})
            if random.random() < 0.5
            else (),
            limit(),
            limit(),
            limit(),
            random.random() < 0.2,
        )
        for _ in range(random.randint(1, 5))
    ]
    wanted = [each for each in some(3) if each != ANY] if random.random() < 0.5 else []
    flags = [random.random() < 0.2 for _ in range(3)]
    return said, PolicyInputs(frozenset(wanted), *flags)


def test_the_graph_says_what_the_tree_says() -> None:
    random = Random(9618)
    outcomes = {True: 0, False: 0}
    for _ in range(600):
        said, inputs = chance(random)
        expected = by_the_tree(said, inputs)
        try:
            got: set[str] | None = held(*said, inputs=inputs)
        except PolicyMismatch:
            got = None
        assert got == expected, (said, inputs)
        outcomes[bool(got)] += 1
    assert min(outcomes.values()) > 100
