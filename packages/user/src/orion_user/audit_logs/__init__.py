"""Reading the audit trail: for auditors, and for systems that it is streamed to."""
