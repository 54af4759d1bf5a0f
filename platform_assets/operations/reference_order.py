"""In which order tables are judged by their references: parents first, tables that refer to each other together."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def reference_groups(references: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """Strongly connected groups of tables, every group after the groups it refers to (Tarjan's algorithm, without recursion).

    `references`: table -> tables it refers to, all of them among the keys. Within a group names are sorted.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[tuple[str, ...]] = []
    for root in references:
        if root in index:
            continue
        path = [(root, iter(sorted(references[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while path:
            name, rest = path[-1]
            child = next(rest, None)
            if child is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == index[name]:
                    at = stack.index(name)
                    groups.append(tuple(sorted(stack[at:])))
                    del stack[at:]
            elif child not in index:
                index[child] = low[child] = len(index)
                stack.append(child)
                path.append((child, iter(sorted(references[child]))))
            elif child in stack:
                low[name] = min(low[name], index[child])
    return tuple(groups)
