"""Add the audit trail, cut into months by id, and its signed checkpoints.

The service may add rows to both and read them. A trigger refuses everybody, the owner included, any change to the trail
but the erasure of a person, and emptying either table; what a superuser does past it shows in the checkpoints.
"""

from alembic import op

revision = "0009_audit"
down_revision = "0008_sessions"
phase = "pre"

REFUSE_CHANGE = """
CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  expected audit_logs := OLD;
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL THEN
    expected.erased_at := NEW.erased_at;
    expected.updated_at := NEW.updated_at;
    expected.salt := NULL;
    expected.old_values := NULL;
    expected.new_values := NULL;
    expected.error := NULL;
    expected.ip_address := NULL;
    expected.user_agent := NULL;
    IF NEW IS NOT DISTINCT FROM expected THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit_logs is append-only' USING
    ERRCODE = 'restrict_violation',
    HINT = 'The one change allowed is to erase: set erased_at, empty salt and personal columns. '
           'Retention detaches partitions.';
END
$$
"""

REFUSE_TRUNCATE = """
CREATE FUNCTION refuse_audit_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING
    ERRCODE = 'restrict_violation',
    HINT = 'Retention detaches partitions of audit_logs; the checkpoints stay.';
END
$$
"""


def upgrade() -> None:
    _audit_logs()
    _audit_checkpoints()


def _audit_logs() -> None:
    op.execute("CREATE TYPE actor_type AS ENUM ('USER', 'API_KEY', 'SERVICE', 'SYSTEM')")
    op.execute("CREATE TYPE audit_status AS ENUM ('SUCCESS', 'FAILURE', 'DENIED')")
    op.execute(
        """
        CREATE TABLE audit_logs (
            id uuid NOT NULL DEFAULT uuidv7(),
            service varchar(60) NOT NULL,
            actor_type actor_type NOT NULL,
            actor_id uuid,
            on_behalf_of uuid,
            user_id uuid,
            action varchar(100) NOT NULL,
            resource_type varchar(60) NOT NULL,
            resource_id varchar(255),
            old_values jsonb,
            new_values jsonb,
            changed_fields varchar(100)[] NOT NULL DEFAULT '{}',
            session_id uuid,
            request_id varchar(64),
            ip_address inet,
            user_agent varchar(512),
            status audit_status NOT NULL,
            error varchar(1000),
            duration_ms integer,
            timestamp timestamptz NOT NULL DEFAULT now(),
            transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
            salt bytea,
            commitment bytea NOT NULL,
            leaf_hash bytea NOT NULL,
            erased_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_audit_logs PRIMARY KEY (id),
            CONSTRAINT ck_audit_logs_actor CHECK ((actor_type = 'SYSTEM') = (actor_id IS NULL)),
            CONSTRAINT ck_audit_logs_duration_ms CHECK (duration_ms >= 0),
            CONSTRAINT ck_audit_logs_salt CHECK (octet_length(salt) = 32),
            CONSTRAINT ck_audit_logs_commitment CHECK (octet_length(commitment) = 32),
            CONSTRAINT ck_audit_logs_leaf_hash CHECK (octet_length(leaf_hash) = 32),
            CONSTRAINT ck_audit_logs_erased CHECK (
                erased_at IS NULL
                OR num_nonnulls(salt, old_values, new_values, error, ip_address, user_agent) = 0
            ),
            CONSTRAINT ck_audit_logs_salted CHECK (erased_at IS NOT NULL OR salt IS NOT NULL)
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("COMMENT ON COLUMN audit_logs.user_id IS 'Whom it was done to'")
    op.execute("COMMENT ON COLUMN audit_logs.transaction_id IS 'Checkpoints go by it'")
    op.execute("COMMENT ON COLUMN audit_logs.commitment IS 'SHA-256 of salt and personal part'")
    op.execute("COMMENT ON COLUMN audit_logs.leaf_hash IS 'SHA-256 of the rest and the commitment'")
    op.execute("CREATE INDEX ix_audit_logs_user_id_action_timestamp ON audit_logs (user_id, action, timestamp)")
    op.execute("CREATE INDEX ix_audit_logs_actor_id_timestamp ON audit_logs (actor_id, timestamp)")
    op.execute(
        "CREATE INDEX ix_audit_logs_resource_type_resource_id_timestamp"
        " ON audit_logs (resource_type, resource_id, timestamp)"
    )
    op.execute("CREATE INDEX ix_audit_logs_brin ON audit_logs USING brin (timestamp, transaction_id)")
    op.execute(REFUSE_CHANGE)
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit_logs"
        " FOR EACH ROW EXECUTE FUNCTION refuse_audit_log_change()"
    )
    op.execute(REFUSE_TRUNCATE)
    op.execute(
        "CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_logs"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_truncate()"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON audit_logs FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("CREATE TABLE audit_logs_default PARTITION OF audit_logs DEFAULT")
    op.execute("SELECT ensure_partitions('audit_logs', 3)")
    op.execute("GRANT SELECT, INSERT ON audit_logs TO orion_user_service")


def _audit_checkpoints() -> None:
    op.execute(
        """
        CREATE TABLE audit_checkpoints (
            id uuid NOT NULL DEFAULT uuidv7(),
            number bigint NOT NULL,
            horizon bigint NOT NULL,
            leaf_ids uuid[] NOT NULL,
            tree_size bigint NOT NULL,
            root_hash bytea NOT NULL,
            previous_hash bytea,
            hash bytea NOT NULL,
            key_id varchar(64) NOT NULL,
            signature bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_audit_checkpoints PRIMARY KEY (id),
            CONSTRAINT uq_audit_checkpoints_number UNIQUE (number),
            CONSTRAINT ck_audit_checkpoints_chain CHECK (number >= 1 AND (number = 1) = (previous_hash IS NULL)),
            CONSTRAINT ck_audit_checkpoints_leaf_ids CHECK (cardinality(leaf_ids) BETWEEN 1 AND 10000),
            CONSTRAINT ck_audit_checkpoints_tree_size CHECK (tree_size >= cardinality(leaf_ids)),
            CONSTRAINT ck_audit_checkpoints_root_hash CHECK (octet_length(root_hash) = 32),
            CONSTRAINT ck_audit_checkpoints_previous_hash CHECK (octet_length(previous_hash) = 32),
            CONSTRAINT ck_audit_checkpoints_hash CHECK (octet_length(hash) = 32)
        )
        """
    )
    op.execute("COMMENT ON COLUMN audit_checkpoints.horizon IS 'All transactions below it are covered'")
    op.execute("COMMENT ON COLUMN audit_checkpoints.leaf_ids IS 'Ids of audit_logs, in the order of the leaves'")
    op.execute("COMMENT ON COLUMN audit_checkpoints.tree_size IS 'Leaves of this and all earlier checkpoints'")
    op.execute("COMMENT ON COLUMN audit_checkpoints.hash IS 'SHA-256 of everything before it in the row'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON audit_checkpoints"
        " FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute(
        "CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_checkpoints"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_truncate()"
    )
    op.execute("GRANT SELECT, INSERT ON audit_checkpoints TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE audit_checkpoints")
    op.execute("DROP TABLE audit_logs")
    op.execute("DROP FUNCTION refuse_audit_truncate()")
    op.execute("DROP FUNCTION refuse_audit_log_change()")
    op.execute("DROP TYPE audit_status")
    op.execute("DROP TYPE actor_type")
