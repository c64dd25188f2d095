from libs.common.migrations import run_environment
from services.scheduling.store.tables import METADATA

run_environment(METADATA)
