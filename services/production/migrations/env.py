from libs.common.migrations import run_environment
from services.production.store import METADATA

run_environment(METADATA)
