"""What can go wrong with models: names, files, pulls, and what providers refuse."""

from inglenook.kit.errors import BadInput, Conflict, InglenookError, NotFound, UpstreamFailed


class InvalidModelName(BadInput):
    """The model name is invalid; write [host/][namespace/]model[:tag]."""

    code = "invalid_model_name"


class ModelNotFound(NotFound):
    """There is no model of that name here."""

    code = "model_not_found"


class CannotCarry(BadInput):
    """A field of the request cannot be carried to the model that answers; leave it out or choose another model."""

    code = "cannot_carry"


class BadModelFile(BadInput):
    """The file is not a usable GGUF model."""

    code = "bad_model_file"


class BrokenModel(Conflict):
    """A file of this model is missing or incomplete; pull it again."""

    code = "broken_model"


class LentModel(Conflict):
    """The model is in a folder that is used for reading only."""

    code = "lent_model"


class PullFailed(UpstreamFailed):
    """The model could not be fetched from its source."""

    code = "pull_failed"


class PushFailed(UpstreamFailed):
    """The registry did not take the model."""

    code = "push_failed"


class WrongChecksum(PullFailed):
    """What was fetched is not what its source promised; it was removed. Pull again."""

    code = "wrong_checksum"


class DiskFull(InglenookError):
    """There is not enough room on the disk; free some and pull again."""

    status = 507
    code = "disk_full"


class ModelFailed(UpstreamFailed):
    """The process of a model that runs here ended or failed; the next call loads it again."""

    code = "model_failed"


class KeyRefused(UpstreamFailed):
    """The provider does not take our key; an administrator can set another one under Models, Providers."""

    code = "provider_key_refused"


class OutOfCredit(UpstreamFailed):
    """The provider wants to be paid first."""

    code = "provider_out_of_credit"


class ContextTooLong(BadInput):
    """The prompt is longer than the model's context. `details`: `prompt_tokens`, `context_length`, where known."""

    code = "context_too_long"


class ContentRefused(BadInput):
    """The provider's content policy refuses this prompt."""

    code = "content_refused"
