from libs.common.migrations import run_environment
from services.identity.store.tables import METADATA

run_environment(METADATA)
