"""The pages of the service, every one from our own origin and without inline script."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import flask_swagger_ui
from flask import Blueprint, Response, abort, render_template, request, send_from_directory

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
# Swagger UI writes styles into the page and carries its icons as data.
DOCS_SECURITY_POLICY = f"{CONTENT_SECURITY_POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
DOCS_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

_ASSETS_FOLDER = Path(flask_swagger_ui.__file__).parent / "dist"


class Explained(Protocol):
    """What a page says of one kind of error."""

    @property
    def status(self) -> int:
        """Its HTTP status."""

    @property
    def title(self) -> str:
        """Its name in words."""

    @property
    def meaning(self) -> str:
        """What has happened."""

    @property
    def remedy(self) -> str:
        """What to do."""


# From the reference in a page's address to what its script asks for first; None where it refers to nothing.
Opening = Callable[[str], Sequence[str] | None]


def make_pages(
    problems: Mapping[str, Explained], openapi_url: str, *, of_job: Opening, of_model: Opening
) -> Blueprint:
    """The pages; `problems` by code, `openapi_url` is the document that /docs shows.

    A page of a job or a model that does not exist is not there either.
    """
    pages = Blueprint("dashboard", __name__, template_folder="templates", static_folder="static")
    pages.after_request(_protect)
    _add_glass(pages, of_job, of_model)
    _add_problems(pages, problems)
    _add_docs(pages, openapi_url)
    return pages


def _add_glass(pages: Blueprint, of_job: Opening, of_model: Opening) -> None:
    """Home, lists, and what can be seen inside: a training, a model, any expression, the service."""

    @pages.get("/")
    def home() -> str:
        return render_template("home.html", address=request.root_url.rstrip("/"))

    @pages.get("/jobs")
    def list_jobs() -> str:
        columns = ("Job", "State", "Loss", "Created", "Model")
        return render_template("list.html", kind="jobs", title="Trainings", columns=columns)

    @pages.get("/models")
    def list_models() -> str:
        columns = ("Model", "Quality", "Parameters", "Created", "Training")
        return render_template("list.html", kind="models", title="Models", columns=columns)

    @pages.get("/jobs/<job>")
    def watch(job: str) -> str:
        requests = _opened(of_job(job))
        return render_template("watch.html", job=job, requests=requests)

    @pages.get("/models/<model>")
    def explain(model: str) -> str:
        requests = _opened(of_model(model))
        return render_template("explain.html", model=model, requests=requests)

    @pages.get("/sandbox")
    def sandbox() -> str:
        return render_template("sandbox.html")

    @pages.get("/system")
    def system() -> str:
        return render_template("system.html")


def _opened(requests: Sequence[str] | None) -> Sequence[str]:
    if requests is None:
        abort(404)
    return requests


def _add_problems(pages: Blueprint, problems: Mapping[str, Explained]) -> None:
    @pages.get("/problems")
    def list_problems() -> str:
        return render_template("problems.html", problems=problems)

    @pages.get("/problems/<code>")
    def read_problem(code: str) -> str:
        if code not in problems:
            abort(404)
        return render_template("problem.html", code=code, problem=problems[code])


def _add_docs(pages: Blueprint, openapi_url: str) -> None:
    """The browsable API, from files of our own."""

    @pages.get("/docs")
    def docs() -> Response:
        page = Response(render_template("docs.html", openapi_url=openapi_url))
        page.headers["Content-Security-Policy"] = DOCS_SECURITY_POLICY
        return page

    @pages.get("/docs/<any(" + ",".join(f"'{name}'" for name in DOCS_ASSETS) + "):name>")
    def docs_asset(name: str) -> Response:
        return send_from_directory(_ASSETS_FOLDER, name, max_age=3600)


def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response
