"""The runs tables that ship with labelvalue; see the README beside this file."""
