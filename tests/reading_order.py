"""Who imports whom within a chapter: what comes before it has been taught, what goes in circles, what lies on top."""

from dataclasses import dataclass
from pathlib import Path

from common.digest import imported


@dataclass(frozen=True)
class Order:
    """A chapter's folder and its lessons in reading order ("fcn", or "segmentation/fcn")."""

    folder: Path
    lessons: tuple[str, ...]

    def modules(self) -> dict[str, set[str]]:
        """Every module but main.py and tests, by its path ("segmentation/fcn"), with those that it imports."""
        package = self.folder.name
        found = {}
        for path in sorted(self.folder.rglob("*.py")):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            if path.name != "__init__.py" and name != "main" and "tests" not in name.split("/"):
                targets = imported(f"{package}.{name.replace('/', '.')}", {package: self.folder})
                found[name] = {target.removeprefix(f"{package}.").replace(".", "/") for target in targets}
        return found

    def too_early(self) -> dict[str, list[str]]:
        """By lesson: the later lessons that it imports, directly or through parts."""
        modules, place = self.modules(), {name: number for number, name in enumerate(self.lessons)}
        found = {}
        for lesson in self.lessons:
            seen, waiting = set(), list(modules[lesson])
            while waiting:
                name = waiting.pop()
                if name not in seen:
                    seen.add(name)
                    waiting += () if name in place else modules.get(name, ())
            later = sorted((name for name in seen if place.get(name, -1) > place[lesson]), key=place.get)
            if later:
                found[lesson] = later
        return found

    def circles(self) -> list[list[str]]:
        """Groups of modules, each of which imports every other of its group, directly or through others."""
        modules = self.modules()
        reached = {name: set(targets) & set(modules) for name, targets in modules.items()}
        for middle in modules:
            for name in modules:
                if middle in reached[name]:
                    reached[name] |= reached[middle]
        groups = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in modules}
        return sorted(list(group) for group in groups if group)

    def parts_on_top(self) -> list[str]:
        """Files on the chapter's top level that are no lessons."""
        top = {path.stem for path in self.folder.glob("*.py")} - {"__init__", "main"}
        return sorted(top - set(self.lessons))
