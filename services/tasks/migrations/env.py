from libs.common.migrations import run_environment
from services.tasks.store.tables import METADATA

run_environment(METADATA)
