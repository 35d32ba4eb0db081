"""Where the brokers and the database are: the environment's addresses, or else the local stack's."""

from __future__ import annotations

import os
from pathlib import Path

from contactpoint.stack import StackAddresses, StackConfig, running_addresses
from matching.linkage.model import LinkageModel
from matching.stage.model_file import read_model


def stack_config() -> StackConfig:
    """Return the stack that the environment describes."""
    return StackConfig.from_env(os.environ)


def addresses() -> StackAddresses:
    """Return the addresses in use; raise ConfigurationError that says how to start the local stack."""
    return running_addresses(stack_config())


def stage_environment() -> dict[str, str]:
    """Return this process's environment with the addresses in it, for stages run as processes of their own."""
    return {**os.environ, **addresses().as_env()}


def linkage_model() -> LinkageModel:
    """Return the model in use: the file in CONTACTPOINT_MATCHING_MODEL, or else the one that ships."""
    given = os.environ.get("CONTACTPOINT_MATCHING_MODEL")
    return read_model(Path(given) if given else None)
