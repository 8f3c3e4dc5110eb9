"""Parameters of a notebook: what it declares, and whether given values are right.

The declaration is read by papermill's own inspection. Values are checked by the configuration that
the notebook itself creates, before any kernel starts.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nn_helpers._metrics import load_notebook

_TYPES = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


def parse_value(text: str) -> Any:
    """Read a parameter's value as papermill's ``-p`` does, and lists beside: ``[100, 50]``."""
    constants = {"True": True, "False": False, "None": None}
    if text in constants:
        return constants[text]
    for read in (int, float, _read_list):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _read_list(text: str) -> list:
    """Read a list in Python's notation, or raise ``ValueError``."""
    try:
        value = ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(text) from error
    if not isinstance(value, list):
        raise ValueError(text)
    return value


def collect(
    files: Iterable[str] = (),
    yaml_texts: Iterable[str] = (),
    pairs: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Collect parameters as papermill does: of files, of YAML texts, of names with values.

    Of a name that is given twice, the later counts, in that order.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If a text is not YAML, or not names with values.
    """
    found: dict[str, Any] = {}
    for file in files:
        found |= _read_yaml(f"the parameter file {file}", Path(file).read_text(encoding="utf-8"))
    for text in yaml_texts:
        found |= _read_yaml(f"the YAML text {text!r}", text)
    return found | {name: parse_value(value) for name, value in pairs}


def _read_yaml(origin: str, text: str) -> dict[str, Any]:
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    try:
        values = yaml.load(text, Loader=NoDatesSafeLoader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{origin} must be YAML, such as n_epochs: 2 ({reason})") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError(f"{origin} must give names with values, such as n_epochs: 2")
    return values


def declared(path: Path) -> dict[str, dict[str, Any]]:
    """Return what papermill finds in the cell tagged ``parameters``, by name."""
    import nbformat
    from papermill import inspect_notebook

    notebook = nbformat.from_dict(load_notebook(path))
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "language": "python"})
    return inspect_notebook(notebook)


def check(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check values for the parameters of a notebook; return all of them, defaults included.

    Parameters
    ----------
    path : Path
        The notebook.
    given : mapping
        Values in place of its defaults.

    Raises
    ------
    TypeError, ValueError
        If the notebook does not declare a name, or would refuse a value.
    """
    return Declaration(path).check(given)


class Declaration:
    """What a notebook declares, read once for any number of checks.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    defaults : dict
        The declared values by name; an expression stays text.
    """

    def __init__(self, path: Path):
        self.path = path
        self._declared = declared(path)
        self._kind, self._fields = _find_configuration(path)
        self.defaults = {name: _literal(entry["default"]) for name, entry in self._declared.items()}

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As the function `check`."""
        for name in given:
            if name not in self._declared:
                raise ValueError(_unknown(name, [self.path.name], self._declared))
        values = {**self.defaults, **given}
        self.configure(values)
        for name in given.keys() - self._fields.values():
            _check_type(name, given[name], self._declared[name]["inferred_type_name"])
        return values

    def configure(self, values: Mapping[str, Any]) -> Any:
        """Create the configuration that the notebook would create, ``None`` if it has none."""
        if self._kind is None:
            return None
        with chdir(self.path.parent):  # where its kernel will work
            return self._kind(
                **{field: values[name] for field, name in self._fields.items() if name in values}
            )


def share(paths: Sequence[Path], given: Mapping[str, Any]) -> dict[Path, dict[str, Any]]:
    """Give each notebook those of the parameters that it declares, checked.

    Raises
    ------
    TypeError, ValueError
        If none of them declares a name, or one would refuse a value.
    """
    if not given:
        return {path: {} for path in paths}
    declarations = {path: Declaration(path) for path in paths}
    known = dict.fromkeys(name for one in declarations.values() for name in one.defaults)
    for name in given:
        if name not in known:
            raise ValueError(_unknown(name, [path.name for path in paths], known))
    chosen = {
        path: {name: value for name, value in given.items() if name in declaration.defaults}
        for path, declaration in declarations.items()
    }
    for path, values in chosen.items():
        declarations[path].check(values)
    return chosen


def nearest(name: str, known: Iterable[str]) -> str:
    """Write what to say of a name that is not known: the nearest known one, if any is near."""
    near = get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]}" if near else ""


def _unknown(name: str, notebooks: Sequence[str], known: Iterable[str]) -> str:
    known = list(known)
    declares = f"declared: {', '.join(known)}" if known else "none is declared there"
    return f"{name} is not a parameter of {', '.join(notebooks)}{nearest(name, known)}; {declares}"


def _literal(text: str) -> Any:
    """Read a default as the notebook's Python reads it; an expression stays text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _check_type(name: str, value: Any, declared_type: str) -> None:
    """Refuse a value of another type than the one that the notebook states."""
    kind = declared_type.partition("[")[0]
    if value is None or kind not in _TYPES:
        return
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise TypeError(
            f"{name} must be of type {declared_type}, got {value!r} ({type(value).__name__})"
        )


def _find_configuration(path: Path) -> tuple[type | None, dict[str, str]]:
    """Return the class of the configuration that a notebook creates, and its parameter by field.

    That is the first call of a class of `nn_helpers.config` with names as keywords,
    ``KerasMLPConfig(seed=seed, …)``.
    """
    from nn_helpers import config

    for cell in load_notebook(path)["cells"]:
        for call in _calls(cell):
            kind = getattr(config, call.func.id, None)
            if isinstance(kind, type) and issubclass(kind, config.DataConfig):
                named = [k for k in call.keywords if k.arg and isinstance(k.value, ast.Name)]
                return kind, {keyword.arg: keyword.value.id for keyword in named}
    return None, {}


def _calls(cell: Mapping[str, Any]) -> list[ast.Call]:
    """Return the calls of plain names in a cell, none for what is not plain Python."""
    if cell.get("cell_type") != "code":
        return []
    try:
        tree = ast.parse("".join(cell["source"]))
    except SyntaxError:
        return []
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
