"""A Hugging Face Hub on the loopback, for tests and for trying things by hand.

It speaks what the unmodified client needs to make repositories, commit, tag and download: the
routes of `tests.hub.routes`, for models only, with the "basic" and "multipart" transfers of
large-file storage. It does not speak Xet: clients set ``HF_HUB_DISABLE_XET=1``.

::

    with serve(tmp_path) as hub:
        api = HfApi(hub.endpoint, hub.tokens["write"])
        hub.faults.add("commit", status=503)
        ...
        assert [request.route for request in hub.requests] == [...]
"""

from tests.hub.hub import Hub, serve

__all__ = ["Hub", "serve"]
