"""The main job: theory, a written prediction, a real distillation, a report."""

from capgap.reproduce.job import Choice, Reproduction, reproduce

__all__ = ["Choice", "Reproduction", "reproduce"]
