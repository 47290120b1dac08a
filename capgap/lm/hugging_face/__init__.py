"""Hugging Face models as teachers, and our students in their format (extra `hf`)."""

from capgap.lm.hugging_face.export import export_student
from capgap.lm.hugging_face.folder import ModelFolder, is_model_folder
from capgap.lm.hugging_face.loading import HuggingFaceTeacher, describe_folder, load_teacher
from capgap.lm.hugging_face.opening import Loader, open_external
from capgap.lm.hugging_face.tokenizing import FolderTokenizer

__all__ = [
    "FolderTokenizer",
    "HuggingFaceTeacher",
    "Loader",
    "ModelFolder",
    "describe_folder",
    "export_student",
    "is_model_folder",
    "load_teacher",
    "open_external",
]
