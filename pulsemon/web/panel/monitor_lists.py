"""The panel's form for several monitors at once: what is done with those that were selected.

A monitor that was deleted meanwhile is passed over. It ends in a redirect, but for the question before deleting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import placement
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.errors import Conflict, Invalid
from pulsemon.input import monitor_forms
from pulsemon.input.rules import Lists, first_of
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import order as monitor_order
from pulsemon.monitors.belongings import belongings
from pulsemon.web.html import rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http import whose
from pulsemon.web.http.bodies import MAX_FIELDS
from pulsemon.web.http.form_data import MAX_LISTS_BYTES, lists_up_to
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel import list_address, monitor_list
from pulsemon.web.panel.list_address import ListAddress
from pulsemon.web.panel.shared import require_proof_of_user

router = Router(Audience.PANEL)

# As many as are changed at once: "all that fit" of a larger list is refused, with the number.
MAX_AT_ONCE = 10_000
# Of those that are to be deleted so many are named; the others are counted.
MAX_NAMED = 50
# A part of the list holds a hundred, and what was selected stays so while somebody searches for more.
MAX_SELECTED = MAX_AT_ONCE
SelectedLists = Annotated[
    dict[str, list[str]], Depends(lists_up_to(MAX_SELECTED + MAX_FIELDS, max_bytes=MAX_LISTS_BYTES))
]


# Beyond what the route asks for.
_TAKES = {"tag": Action.EDIT, "delete": Action.ADMINISTER, "delete-for-good": Action.ADMINISTER}


@router.post("/monitors/selected", Action.RESPOND)
def change_selected(request: Request, lists: SelectedLists) -> Response:
    """Pause, resume, tag or delete the selected monitors, or all that fit the filters; deleting asks first."""
    asked = list_address.read(monitor_list.fields_of(lists))
    try:
        return _change_selected(request, lists, asked)
    except Conflict as refused:
        return _refused(request, lists, asked, refused)


def _change_selected(request: Request, lists: Lists, asked: ListAddress) -> Response:
    """Do it. Raises Conflict: nothing was done, for a reason that the list can say."""
    site, project_id = site_of(request), the_project_of(request)
    wish = first_of(lists, "do")
    whose.require(request, _TAKES.get(wish, Action.RESPOND))
    if wish in ("delete", "delete-for-good"):
        require_proof_of_user(request)
    ids = _chosen(request, lists, asked)
    if not ids:
        return _to_list(asked, "none-selected" if _is_all(lists) or not lists.get("monitor") else "gone")
    if _is_all(lists) and wish != "delete":
        _agree(lists, ids, names_them=wish == "delete-for-good")
    match wish:
        case "pause":
            monitors.pause_many(site.database, ids, now=site.now(), project_id=project_id)
            done = "paused-several"
        case "resume":
            monitors.resume_many(site.database, ids, now=site.now(), project_id=project_id)
            done = "resumed-several"
        case "tag":
            monitor_order.add_tags(site.database, project_id, ids, _tags(lists))
            done = "tagged"
        case "delete":
            return _ask(request, lists, asked, ids)
        case "delete-for-good":
            monitors.remove_many(site.database, ids, project_id=project_id)
            done = "deleted-several"
        case _:
            raise HTTPException(400, "There is no such action.")
    site.wake()
    return _to_list(asked, done)


def _is_all(lists: Lists) -> bool:
    return first_of(lists, "all") == "yes"


def _agree(lists: Lists, ids: Sequence[int], *, names_them: bool) -> None:
    """Raise Conflict where others fit by now than the page that the form stood in counted, or, *names_them*, named."""
    given, expected = ("those", _mark_of(ids)) if names_them else ("count", str(len(ids)))
    if first_of(lists, given) != expected:
        raise Conflict("others-fit", count=len(ids))


def _mark_of(ids: Sequence[int]) -> str:
    """Return what tells these monitors from any others, however many they are."""
    return hashlib.sha256(",".join(map(str, sorted(ids))).encode()).hexdigest()


def _chosen(request: Request, lists: Lists, asked: ListAddress) -> list[int]:
    """Return the ids of those of the monitors that a form names which are still there, or of all monitors that fit.

    What is of another project is not there.

    Raises Conflict: those are too many, or a filter says something that there is not.
    """
    site, project_id = site_of(request), the_project_of(request)
    if not _is_all(lists):
        return monitors.existing(site.database, ids_of(lists.get("monitor", [])), project_id=project_id)
    if asked.remarks:
        raise Conflict("unreadable-filter")
    found = monitor_list.ids_that_fit(site, project_id, asked, limit=MAX_AT_ONCE + 1)
    if len(found) > MAX_AT_ONCE:
        raise Conflict("too-many-at-once", max=MAX_AT_ONCE)
    return list(found)


def ids_of(texts: Sequence[str]) -> list[int]:
    """Return the ids among *texts*, each once."""
    numbers = [int(each) for each in texts if each.isascii() and each.isdigit() and len(each) <= 10]
    return list(dict.fromkeys(each for each in numbers if 0 < each <= LARGEST_ID))


def _tags(lists: Lists) -> list[str]:
    """Return the tags that were typed, by the rules of a monitor's own. Raises Conflict, which the page can say."""
    try:
        changes = monitor_forms.changes_from_form({"tags": first_of(lists, "tags")})
    except Invalid:
        raise _unusable() from None
    tags = changes["placement"]["tags"]
    if not tags:
        raise _unusable()
    return list(tags)


def _unusable() -> Conflict:
    return Conflict("unusable-tags", max=placement.MAX_TAGS, max_length=placement.MAX_TAG_LENGTH)


def _refused(request: Request, lists: Lists, asked: ListAddress, refused: Conflict) -> Response:
    """Give the list back as it was, with what is wrong: at the field, if that is the tags'; or ask about others."""
    if refused.code == "others-fit" and first_of(lists, "do") == "delete-for-good":
        return _ask(request, lists, asked, _chosen(request, lists, asked))
    words = Words(rendering.locale_of(request), site_of(request).now())
    wrong, is_at_tags = words.refusal(refused), refused.code in ("unusable-tags", "too-many-tags")
    found = monitor_list.page(
        request,
        asked,
        selected=ids_of(lists.get("monitor", [])),
        is_all=_is_all(lists),
        wrong="" if is_at_tags else wrong,
        wrong_tags=wrong if is_at_tags else "",
        typed_tags=first_of(lists, "tags"),
    )
    return found or _to_list(asked, "none-selected")


def _ask(request: Request, lists: Lists, asked: ListAddress, ids: Sequence[int]) -> Response:
    """Say what is lost with those that are still there, and ask."""
    site = site_of(request)
    ids = monitors.existing(site.database, ids, project_id=the_project_of(request))
    return rendering.page(
        request,
        "panel/delete_selected.html",
        doomed=monitors.list_of(site.database, ids[:MAX_NAMED]),
        count=len(ids),
        lost=belongings(site.database, ids),
        ids=[] if _is_all(lists) else ids,
        fields=asked.fields | ({"all": "yes", "those": _mark_of(ids)} if _is_all(lists) else {}),
        back=asked.link(),
    )


def _to_list(asked: ListAddress, done: str) -> Response:
    """Lead back to the part of the list that the form stood in."""
    return RedirectResponse(asked.link(done=done), status_code=303)
