"""metadata.yaml (interim front; being replaced)."""
from lxdimage.metadata._architectures import Architecture
from lxdimage.metadata._interim import CheckedMetadata, check_documents, check_metadata, dump_metadata, parse_metadata
from lxdimage.metadata._model import Metadata, TemplateRule, Trigger
