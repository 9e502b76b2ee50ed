# Chapters x profiles x seeds as a graph (extra `cluster`). Every job is one `onebasin run`.
#
#   snakemake -c2                                   all chapters at smoke, two at a time
#   snakemake -c2 --config profiles=smoke,laptop    more profiles
#   snakemake -c8 --config seeds=0,1,2,3            chapters with a parameter `seed`, once for each
#   snakemake -c2 --config chapters=inrs/line       some chapters
#   snakemake --executor slurm --jobs 20            on a cluster; see `snakemake --help`
#
# The marks that Snakemake watches lie in _build/snakemake. A job whose chapter is unchanged
# ends in seconds: what has to be run again is decided by `onebasin run`, by its run keys.
import sys
from pathlib import Path

from onebasin import paths, profiles

MARKS = "_build/snakemake"
ONEBASIN = f"{sys.executable} -m onebasin"
MINUTES = {"smoke": 10, "laptop": 120, "gpu": 60}


def listed(name, default):
    """Values of a setting that is written as a,b,c."""
    value = config.get(name)
    return [one for one in str(value).split(",") if one] if value is not None else default


CHAPTERS = listed("chapters", profiles.chapters())
PROFILES = listed("profiles", ["smoke"])
SEEDS = listed("seeds", [])
SEEDED = [one for one in CHAPTERS if "seed" in profiles.parameters(paths.chapter_source(one))]
THREADS = int(config.get("threads", 1))
MODE = "--plain" if str(config.get("plain", "")).lower() in ("1", "true", "yes") else ""
LIBRARY = sorted(str(path) for path in Path("src/onebasin").rglob("*.py"))

wildcard_constraints:
    profile="smoke|laptop|gpu",
    seed=r"\d+",
    chapter=r"[^/]+/[^/]+",


rule all:
    input:
        expand(f"{MARKS}/book/{{profile}}/{{chapter}}.done", profile=PROFILES, chapter=CHAPTERS),
        expand(
            f"{MARKS}/seed-{{seed}}/{{profile}}/{{chapter}}.done",
            seed=SEEDS, profile=PROFILES, chapter=SEEDED,
        ),


rule chapter:
    """One chapter at one profile, for the book."""
    input:
        "notebooks/{chapter}.py",
        LIBRARY,
    output:
        touch(MARKS + "/book/{profile}/{chapter}.done"),
    threads: THREADS
    resources:
        runtime=lambda wildcards: MINUTES[wildcards.profile],
        mem_mb=8000,
    shell:
        "{ONEBASIN} run {wildcards.chapter} --profile {wildcards.profile} --threads {threads} {MODE}"


rule seed:
    """One chapter at one profile with another seed, kept apart in _build/variants/seed-N."""
    input:
        "notebooks/{chapter}.py",
        LIBRARY,
    output:
        touch(MARKS + "/seed-{seed}/{profile}/{chapter}.done"),
    threads: THREADS
    resources:
        runtime=lambda wildcards: MINUTES[wildcards.profile],
        mem_mb=8000,
    shell:
        "{ONEBASIN} run {wildcards.chapter} --profile {wildcards.profile} --threads {threads} {MODE}"
        " --variant seed-{wildcards.seed} --set seed={wildcards.seed}"
