from services.tasks.store import METADATA

from libs.common.migrations import run_environment

run_environment(METADATA)
