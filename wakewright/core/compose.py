"""From YAML files, presets and `key=value` words to one checked Recipe, and back to commented YAML.

What is laid over what, later winning: the recipe's `base:` chain, the recipe itself, presets named on the command
line, `key=value` overrides, the phrase. Mappings merge key by key; everything else, null included, replaces.
"""

from __future__ import annotations

import difflib
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from wakewright.core import yamltext
from wakewright.core.errors import RecipeError
from wakewright.core.node import Node, meaning
from wakewright.core.recipe import FORMAT, Qat, Recipe

Tree = dict[str, Any]

PRESETS = Path(__file__).parents[1] / "recipes"
"""Folder of the presets that ship with the package."""

TARGETS = ("pi", "server", "esp32", "esp32-s3", "rp2040")
"""What `--for` accepts: the presets that stand for a kind of device."""


def presets() -> list[str]:
    """Names of the presets that ship with the package, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def target_preset(name: str) -> Tree:
    """The settings of the preset `name`, its bases laid under it, not yet checked.

    Raises RecipeError, with the nearest name, for a preset that does not exist.
    """
    if name not in presets():
        near = difflib.get_close_matches(name, presets(), n=1)
        raise RecipeError(
            f"there is no preset {name!r}",
            got=repr(name),
            do=(f"did you mean {near[0]}? " if near else "") + "presets: " + ", ".join(presets()),
        )
    return _read_tree(PRESETS / f"{name}.yaml", ())


def load_recipe(
    source: Path | None = None,
    overrides: Sequence[str] = (),
    phrase: str | None = None,
    *,
    layers: Sequence[str] = (),
) -> Recipe:
    """Compose and check a recipe.

    Parameters
    ----------
    source: YAML file, or None to start from the defaults.
    overrides: `dotted.key=value` words; the value is read as YAML.
    phrase: the wake phrase; beats the one in the file.
    layers: names of presets laid over the file before the overrides.

    Raises RecipeError listing every setting that is wrong: its path, its value, the reason, the nearest valid name.
    """
    tree: Tree = {} if source is None else _read_tree(Path(source), ())
    for name in layers:
        tree = merge(tree, target_preset(name))
    for word in overrides:
        tree = merge(tree, _override(word))
    if phrase is not None:
        tree = merge(tree, {"phrase": phrase})
    _check_format(tree, "the recipe")
    try:
        return Recipe.model_validate(_switches(tree))
    except ValidationError as error:
        raise _explain(error) from error


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """`over` laid on `under`: mappings merge key by key, any other value replaces. Neither argument is changed."""
    result: Tree = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping):
            result[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def dump(recipe: Recipe) -> Tree:
    """The recipe as plain mappings, lists and scalars; `Recipe.model_validate` gives it back."""
    return recipe.model_dump(mode="json")


def commented(recipe: Recipe) -> str:
    """The whole recipe as YAML, every field's docstring as a comment above it; it loads back to the same recipe."""
    head = "# A wakewright recipe. Lines may be left out: what is not said keeps its default.\n"
    return head + "\n" + "\n".join(_comment_node(recipe, 0)) + "\n"


def field_names(node: type[Node] = Recipe, prefix: str = "") -> Iterator[str]:
    """Every setting's dotted name, branches before their leaves."""
    for name, field in node.model_fields.items():
        yield prefix + name
        inner = _node_type(field.annotation)
        if inner:
            yield from field_names(inner, f"{prefix}{name}.")


def _read_tree(path: Path, chain: tuple[Path, ...]) -> Tree:
    """The mapping in `path` over that of its base, and its base's base; loops are refused."""
    resolved = path.resolve()
    if resolved in chain:
        loop = " -> ".join(p.name for p in (*chain[chain.index(resolved) :], resolved))
        raise RecipeError("recipes name each other as base:", got=loop, do="remove one of the base: lines")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not text", got=str(error), do="save it as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"no recipe at {path}", got=error.strerror or str(error), do="check the path") from error
    tree = yamltext.read(text, str(path))
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise RecipeError(
            f"{path} is not a recipe", got=_short(tree), do='start from a good one: wakewright new "hey katya"'
        )
    tree = _text_keys(tree)
    _check_format(tree, str(path))
    base = tree.pop("base", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise RecipeError(f"{path}: base must be one file or preset", got=_short(base), do="name a single one")
    return merge(_read_tree(_base_path(path, base), (*chain, resolved)), tree)


def _base_path(path: Path, base: str) -> Path:
    """Where `base:` of the recipe at `path` points: a file beside it, else a preset."""
    beside = path.parent / base
    if beside.is_file() and beside.resolve() != path.resolve():
        return beside
    if base in presets():
        return PRESETS / f"{base}.yaml"
    if beside.is_file():
        return beside  # itself: the caller reports the loop
    near = difflib.get_close_matches(base, presets(), n=1)
    raise RecipeError(
        f"{path}: base names neither a file nor a preset",
        got=base,
        do=(f"did you mean {near[0]}? " if near else "") + "presets: " + ", ".join(presets()),
    )


def _override(word: str) -> Tree:
    """`a.b=value` -> {"a": {"b": value}}."""
    key, equals, text = word.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise RecipeError("an override must read key=value", got=word, do="write it as in train.lr=3e-4")
    value = yamltext.read(text, f"the override {word!r}")
    value = _text_keys(value) if isinstance(value, dict) else value
    for name in reversed(names):
        value = {name: value}
    return dict(value)


def _text_keys(tree: Mapping[Any, Any]) -> Tree:
    return {str(key): _text_keys(value) if isinstance(value, dict) else value for key, value in tree.items()}


def _switches(tree: Tree, node: type[Node] = Recipe) -> Tree:
    """Accept the older spelling `distill: {enabled: true}` wherever presence is the switch: false becomes null."""
    result = dict(tree)
    for name, field in node.model_fields.items():
        value, inner = result.get(name), _node_type(field.annotation)
        if inner is None or not isinstance(value, dict):
            continue
        if inner is Qat and "backend" in value:
            value = {key: kept for key, kept in value.items() if key != "backend"}
            sys.stderr.write("qat.backend is not needed any more and left out: there is one way to int8\n")
        optional = type(None) in get_args(field.annotation)
        if optional and isinstance(value.get("enabled"), bool) and "enabled" not in inner.model_fields:
            value = {key: kept for key, kept in value.items() if key != "enabled"} if value["enabled"] else None
        result[name] = value if value is None else _switches(value, inner)
    return result


def _check_format(tree: Tree, where: str) -> None:
    """Raise RecipeError for a recipe that a later version of wakewright wrote."""
    found = tree.get("format", FORMAT)
    if isinstance(found, int) and found > FORMAT:
        raise RecipeError(
            f"{where} was written for a newer wakewright",
            got=f"format {found}, while this version reads up to {FORMAT}",
            do="update wakewright (git pull, or pip install --upgrade wakewright)",
        )


def _explain(error: ValidationError) -> RecipeError:
    """One RecipeError that names every wrong setting."""
    problems = [_problem(detail) for detail in error.errors()]
    if len(problems) == 1:
        path, reason, got, do = problems[0]
        return RecipeError(f"{path}: {reason}", got=got, do=do)
    lines = [f"{len(problems)} settings of the recipe cannot be used"]
    for path, reason, got, do in problems:
        lines.append(f"  {path}: {reason}" + (f", got {got}" if got else "") + (f" ({do})" if do else ""))
    return RecipeError("\n".join(lines), do="correct them all and start again")


def _problem(detail: ErrorDetails) -> tuple[str, str, str, str]:
    """(path, reason, value found, advice) for one of pydantic's errors."""
    path = ".".join(str(part) for part in detail["loc"])
    value = detail["input"]
    if detail["type"] == "missing":
        if path == "phrase":
            return path, "is missing", "", 'give it: wakewright train "hey katya", or a line phrase: hey katya'
        return path, "is missing", "", f"add {path}=..."
    if detail["type"] == "extra_forbidden":
        near = nearest(path)
        return (
            path,
            "there is no such setting",
            _short(value),
            f"did you mean {near}?" if near else "see: wakewright new",
        )
    reason = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    if detail["type"] == "value_error":
        name, _, rest = reason.partition(": ")
        if rest and isinstance(value, Node | dict):
            path, reason = f"{path}.{name}".lstrip("."), rest
            value = dict(value).get(name, value)
    if detail["type"] == "model_type":
        reason = "holds settings of its own"
        below = [name for name in field_names() if name.startswith(path + ".")]
        return path, reason, _short(value), f"set one of {', '.join(below[:4])}" if below else ""
    do = ""
    if detail["type"] == "literal_error" and isinstance(value, str):
        expected = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
        close = difflib.get_close_matches(value, expected, n=1)
        do = (f"did you mean {close[0]}? " if close else "") + f"there are: {', '.join(expected)}"
    elif path in field_names() and (usual := _default(path)) is not None:
        do = f"the default is {_short(usual)}"
    return path, reason, _short(value), do


def _default(path: str) -> Any:
    """What the setting with this dotted name is when nothing is said; None where it must be given."""
    node: type[Node] | None = Recipe
    *above, leaf = path.split(".")
    for name in above:
        node = _node_type(node.model_fields[name].annotation) if node else None
    usual = node.model_fields[leaf].default if node else None
    usual = list(usual) if isinstance(usual, tuple) else usual
    return None if isinstance(usual, Node) or usual is PydanticUndefined else usual


def nearest(path: str) -> str | None:
    """The setting whose dotted name is closest to the misspelt `path`: a sibling first, then one from anywhere."""
    names = list(field_names())
    parent, _, leaf = path.rpartition(".")
    siblings = {n.rpartition(".")[2]: n for n in names if n.rpartition(".")[0] == parent}
    if close := difflib.get_close_matches(leaf, siblings, n=1):
        return siblings[close[0]]
    same = [n for n in names if n.rpartition(".")[2] == leaf]
    if same:
        return max(same, key=lambda n: difflib.SequenceMatcher(None, n, path).ratio())
    close = difflib.get_close_matches(path, names, n=1) or difflib.get_close_matches(
        leaf, [n.rpartition(".")[2] for n in names], n=1, cutoff=0.75
    )
    if not close:
        return None
    return next(n for n in names if n == close[0] or n.rpartition(".")[2] == close[0])


def _short(value: Any) -> str:
    """The value as YAML, cut to a line."""
    try:
        text = yamltext.write(value)
    except yaml.YAMLError:
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _node_type(annotation: Any) -> type[Node] | None:
    """The Node class that `annotation` (a class, or a union with None) holds, if any."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Node):
            return candidate
    return None


def _comment_node(node: Node, depth: int) -> Iterator[str]:
    """Lines of YAML for `node`, comments above the fields."""
    pad = "  " * depth
    for name, field in type(node).model_fields.items():
        value = getattr(node, name)
        yield from _comment(meaning(type(node), name), pad)
        if isinstance(value, Node):
            yield f"{pad}{name}:"
            yield from _comment_node(value, depth + 1)
        else:
            yield f"{pad}{name}: {yamltext.write(_plain(value))}"
            inner = _node_type(field.annotation)
            if inner:
                names = ", ".join(inner.model_fields)
                yield from _comment(f"(instead of null, with settings of its own: {names})", pad)
        if depth == 0:
            yield ""


def _plain(value: Any) -> Any:
    """A field's value as YAML has it: lists, and mappings for nodes in them."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json") if isinstance(value, Node) else value


def _comment(text: str, pad: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), 110 - len(pad)):
        yield f"{pad}# {line}"
