"""The stages behind the numbered scripts: each reads files, calls the method and writes files."""
