#!/bin/sh
# What one types: the fingerprint, the metadata, the names.
sha256sum "$1" && tar -xOf "$1" metadata.yaml && tar -tf "$1"
