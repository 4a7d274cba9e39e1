"""Answers to lab 06: wrong merge patches, each with the reason to give, and right ones."""


def only_the_first_level():
    def merge_patch(target, patch):
        merged = {**target, **patch}
        return {name: value for name, value in merged.items() if value is not None}

    return merge_patch


def stores_null():
    def merge_patch(target, patch):
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def keeps_nulls_of_new_objects():
    def merge_patch(target, patch):
        merged = dict(target)
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            elif isinstance(value, dict) and isinstance(merged.get(name), dict):
                merged[name] = merge_patch(merged[name], value)
            else:
                merged[name] = value
        return merged

    return merge_patch


def removes_whatever_is_empty():
    def merge_patch(target, patch):
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if not value and not isinstance(value, dict):
                merged.pop(name, None)
            else:
                merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def joins_lists():
    def merge_patch(target, patch):
        if isinstance(target, list) and isinstance(patch, list):
            return target + patch
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def takes_nulls_out_of_lists():
    def merge_patch(target, patch):
        if isinstance(patch, list):
            return [item for item in patch if item is not None]
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def there_must_be_something_to_remove():
    def merge_patch(target, patch):
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                del merged[name]
            else:
                merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def in_place():
    def merge_patch(target, patch):
        if not isinstance(patch, dict):
            return patch
        if not isinstance(target, dict):
            target = {}
        for name, value in patch.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = merge_patch(target.get(name), value)
        return target

    return merge_patch


def an_empty_object_changes_nothing():
    def merge_patch(target, patch):
        if not patch and isinstance(patch, dict):
            return target
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge_patch(merged.get(name), value)
        return merged

    return merge_patch


def the_patch_is_the_object():
    def merge_patch(target, patch):
        return patch

    return merge_patch


def as_in_the_rfc():
    """The pseudo-code of section 2, word by word, on a copy."""

    def merge_patch(target, patch):
        import copy

        if isinstance(patch, dict):
            target = copy.deepcopy(target) if isinstance(target, dict) else {}
            for name, value in patch.items():
                if value is None:
                    if name in target:
                        del target[name]
                else:
                    target[name] = merge_patch(target.get(name), value)
            return target
        return patch

    return merge_patch


def as_an_expression():
    def merge_patch(target, patch):
        if type(patch) is not dict:
            return patch
        was = target if type(target) is dict else {}
        names = {**was, **patch}
        return {
            name: merge_patch(was.get(name), patch[name]) if name in patch else was[name]
            for name in names
            if patch.get(name, ...) is not None
        }

    return merge_patch


def from_the_bottom():
    """First the nulls out of the patch's new parts, then everything over."""

    def merge_patch(target, patch):
        def fresh(value):
            if not isinstance(value, dict):
                return value
            return {name: fresh(v) for name, v in value.items() if v is not None}

        result = {**target}
        for name in patch:
            old, new = target.get(name), patch[name]
            if new is None:
                result.pop(name, None)
            elif isinstance(old, dict) and isinstance(new, dict):
                result[name] = merge_patch(old, new)
            else:
                result[name] = fresh(new)
        return result

    return merge_patch


WRONG = [
    (only_the_first_level, "at every depth"),
    (stores_null, "null only ever removes"),
    (keeps_nulls_of_new_objects, "does not come into being"),
    (removes_whatever_is_empty, "Only null removes"),
    (joins_lists, "no parts of lists"),
    (takes_nulls_out_of_lists, "the nulls in it stay"),
    (there_must_be_something_to_remove, "KeyError"),
    (in_place, "changed an object that it was given"),
    (an_empty_object_changes_nothing, "an object makes an object"),
    (the_patch_is_the_object, "what it does not name stays"),
]
RIGHT = [as_in_the_rfc, as_an_expression, from_the_bottom]
