"""Kernels that call each other, compiled as one: an entry with all of its parts.

numba by itself makes of each function a library that is optimised and turned into machine code together with all
that it calls; of a chain of ten calls the last one ten times. Here a function that a kernel calls is a *part*: no
more than typed, lowered, and handed on. What Python calls is an *entry*: the parts of all levels are linked to it
once, and then optimised together. Only entries are kept on disk. To the optimiser a part is private to its entry,
so one that is called once is inlined there, and what is left over goes.

This leans on names of numba's that are not public; tests/contracts/test_numba_names.py holds them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from numba.core.codegen import JITCodeLibrary, ll  # type: ignore[attr-defined]
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, PassManager, register_pass
from numba.core.typed_passes import IRLegalization


class _Library(JITCodeLibrary):
    """Links the parts of its parts, too."""

    def add_linking_library(self, library: Any) -> None:
        super().add_linking_library(library)
        if isinstance(library, _Part):
            known = set(self._linking_libraries)
            self._linking_libraries.extend(of for of in library._linking_libraries if of not in known)


class _Entry(_Library):
    _loops: ClassVar[dict[str, bool]] = {}  # as numba is configured

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "linkonce_odr":
                function.linkage = "internal"
        passes, options = self._codegen._module_pass_manager(**self._loops)  # without those that count references
        passes.run(self._final_module, options)

    def _get_module_for_linking(self) -> Any:
        """What is kept on disk beside the machine code: the names that are defined. Nothing is linked to an entry,
        and to read all of its functions took a fifth of a start."""
        functions = [of for of in self._final_module.functions if not of.is_declaration]
        outside = [of.name for of in functions if of.linkage.name != "internal"]
        return ll.parse_assembly("\n".join(f'define void @"{name}"() {{ ret void }}' for name in outside))


class _ScalarEntry(_Entry):
    _loops: ClassVar[dict[str, bool]] = {"loop_vectorize": False}


class _NoEngine:
    def set_env(self, name: str, env: Any) -> None:
        """A part has no address in memory at which it could be."""


class _Part(_Library):
    """Neither optimised nor machine code: each entry does that with it."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """None, so nobody can call it from Python."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        return _NoEngine()


@register_pass(mutates_CFG=False, analysis_only=True)
class _MakeEntry(LoweringPass):
    _name = "make_entry"
    _made: type[_Entry] = _Entry

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        state.library = self._made(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return False


@register_pass(mutates_CFG=False, analysis_only=True)
class _MakeScalarEntry(_MakeEntry):
    _name = "make_scalar_entry"
    _made = _ScalarEntry


@register_pass(mutates_CFG=False, analysis_only=True)
class _MakePart(LoweringPass):
    _name = "make_part"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return False


def _passes(state: Any, make: type[LoweringPass]) -> list[PassManager]:
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.add_pass_after(make, IRLegalization)
    passes.finalize()
    return [passes]


class EntryCompiler(CompilerBase):
    """What `numba.njit` takes for functions that Python calls."""

    def define_pipelines(self) -> list[PassManager]:
        return _passes(self.state, _MakeEntry)


class ScalarEntryCompiler(CompilerBase):
    """The same without loops that work on several values at once."""

    def define_pipelines(self) -> list[PassManager]:
        return _passes(self.state, _MakeScalarEntry)


class PartCompiler(CompilerBase):
    """What `numba.njit` takes for functions that kernels call."""

    def define_pipelines(self) -> list[PassManager]:
        return _passes(self.state, _MakePart)
