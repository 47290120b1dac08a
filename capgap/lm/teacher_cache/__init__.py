"""A teacher's outputs on disk, so that any number of students can be trained without it.

`build_cache` writes, `TeacherCache` reads, `verify_cache` and `cache_stats` check and report;
`cache_spec` says which cache a run reads.
"""

from capgap.lm.teacher_cache.build import build_cache
from capgap.lm.teacher_cache.manifest import Manifest, read_manifest
from capgap.lm.teacher_cache.reader import TeacherCache
from capgap.lm.teacher_cache.spec import CacheSpec, cache_spec
from capgap.lm.teacher_cache.statistics import CacheCheck, CacheStats, cache_stats, verify_cache

__all__ = [
    "CacheCheck",
    "CacheSpec",
    "CacheStats",
    "Manifest",
    "TeacherCache",
    "build_cache",
    "cache_spec",
    "cache_stats",
    "read_manifest",
    "verify_cache",
]
