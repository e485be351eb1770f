"""The option parser of a verb: it reports all mistakes of a command line at once, and says what its values were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from typer.core import TyperCommand

from orchestration.errors import PROGRAM, InputError, Mistake, together

RENAMED_OPTIONS: Final[Mapping[str, str]] = {"--pictures": "--images", "--schema": f"the verb: {PROGRAM} schema"}
"""Options of earlier versions -> what they are called now."""


@runtime_checkable
class Checked(Protocol):
    """A group of options that can be checked before anything else is known."""

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            InputError: With every mistake of them.
        """


@runtime_checkable
class NamesFiles(Protocol):
    """A group of options that name files of the machine on which a verb works."""

    def check_files(self) -> None:
        """Check what the files contain.

        Raises:
            InputError: With every mistake of them.
        """


ELSEWHERE: Final = "elsewhere"
"""The `obj` of a context whose verb is to work on another machine: the files that its options name are there."""


def checked(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Return the callback of an option that checks its value, which stays as it is; what is wrong is an `InputError`."""

    def callback(value: Any) -> Any:
        check(value)
        return value

    return callback


class VerbCommand(TyperCommand):
    """A verb whose mistakes are reported together: of values alone, and of groups of options."""

    def __init__(self, *args: Any, groups: Callable[[Mapping[str, Any]], Iterable[Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._groups = groups

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line.

        Raises:
            InputError: With all mistakes; a single one of the parser is raised as the parser does.
        """
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        rest: list[str] = []
        errors: list[Exception] = []
        try:
            rest = super().parse_args(ctx, [*args])
        except Exception as error:
            if not _is_mistake(error):
                raise
            errors += self._errors(ctx, [*args])
        for group in self._groups(ctx.params):
            errors += _caught(group.check) if isinstance(group, Checked) else ()
            errors += _caught(group.check_files) if isinstance(group, NamesFiles) and ctx.obj != ELSEWHERE else ()
        if errors:
            raise _all_of(errors, ctx)
        return rest

    def _errors(self, ctx: Any, words: list[str]) -> Iterator[Exception]:
        """Yield what is wrong with each word; parameters without a usable value get their default."""
        given, rest, unknown = self._read(ctx, words)
        yield from unknown
        for parameter in self.get_params(ctx):
            wrong = _caught(lambda each=parameter: each.handle_parse_result(ctx, given, rest))  # type: ignore[misc]
            if wrong:
                ctx.params[parameter.name] = parameter.get_default(ctx)
            yield from wrong
        if rest and not unknown and not ctx.allow_extra_args:  # next to an unknown option they may be its value
            yield from _caught(lambda: ctx.fail(f"Got unexpected extra argument(s) ({' '.join(rest)})"))

    def _read(self, ctx: Any, words: list[str]) -> tuple[Any, list[str], list[Exception]]:
        """Return the options of words, the words that are left, and what is wrong with words that are no options."""
        errors: list[Exception] = []
        while True:
            try:
                given, rest, _ = self.make_parser(ctx).parse_args(args=[*words])
            except Exception as error:
                name = getattr(error, "option_name", None)
                found = [at for at, word in enumerate(words) if name and word.partition("=")[0] == name]
                if not _is_mistake(error) or not found:
                    raise
                errors.append(error)
                del words[found[-1]]
            else:
                return given, rest, errors


def usage_text(error: Exception) -> str | None:
    """Return what the option parser reports of the arguments, or None for other errors."""
    if not _is_usage(error):
        return None
    mistake = _usage_mistake(error)
    text = f"{mistake.where} {mistake.text}".lstrip()
    return text if text.startswith("Usage:") else f"{text} {_help_of(getattr(error, 'ctx', None))}"


def _help_of(context: Any) -> str:
    return f"(see `{getattr(context, 'command_path', '') or PROGRAM} --help`)"


def _is_usage(error: Exception) -> bool:
    """Return whether an error is one of the option parser; their class is private."""
    return hasattr(error, "format_message")


def _is_mistake(error: Exception) -> bool:
    return isinstance(error, InputError) or _is_usage(error)


def _caught(act: Callable[[], object]) -> list[Exception]:
    """Return what is wrong with the options that a function reads."""
    try:
        act()
    except Exception as error:
        if not _is_mistake(error):
            raise
        return [error]
    return []


def _all_of(errors: Sequence[Exception], context: Any) -> Exception:
    if len(errors) == 1:
        return errors[0]
    found = [
        error if isinstance(error, InputError) else InputError("options", [_usage_mistake(error)]) for error in errors
    ]
    made = together(found)
    return InputError(f"options {_help_of(context)}", made.mistakes) if any(map(_is_usage, errors)) else made


def _usage_mistake(error: Any) -> Mistake:
    """Return the parser's error with the value that it leaves out: "--decimals must be ... 6, but got 9"."""
    old = str(getattr(error, "option_name", ""))
    if old in RENAMED_OPTIONS:
        return Mistake(where="", text=f"{old} is now {RENAMED_OPTIONS[old]}")
    read_errors = getattr(error.__cause__, "errors", None)
    names = getattr(getattr(error, "param", None), "opts", ())
    if read_errors is None or not names:
        return Mistake(where="", text=error.format_message().removesuffix("."))
    found = [
        f"{each['msg'].split(', ')[0].replace('Input should be', 'must be')}, but got {each['input']}"
        for each in read_errors()
    ]
    return Mistake(where="/".join(names), text="; ".join(found))
