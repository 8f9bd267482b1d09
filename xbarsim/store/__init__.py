"""Durable storage: atomically written files, append-only logs, and locks of folders."""

from xbarsim.store.digest import hash_arrays
from xbarsim.store.file import check_file, check_folder, make_file, make_folder, replace_file, sync_folder, write_file
from xbarsim.store.json_text import decode_json, encode_json
from xbarsim.store.lock import Lock, hold_file, identify_machine
from xbarsim.store.log import Log, encode_record, read_records
from xbarsim.store.origin import check_origin
from xbarsim.store.snapshot import Snapshot, load_snapshot, save_snapshot

__all__ = [
    "Lock", "Log", "Snapshot", "check_file", "check_folder", "check_origin", "decode_json", "encode_json",
    "encode_record", "hash_arrays", "hold_file", "identify_machine", "load_snapshot", "make_file", "make_folder",
    "read_records", "replace_file", "save_snapshot", "sync_folder", "write_file",
]  # fmt: skip
