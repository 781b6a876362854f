-- What people decide on deliveries is in the admin log: each that is delivered once more or dropped, and whatever is changed by hand of one
-- that is over. What gateways note of their attempts is not: the condition of the trigger is all that it costs them.
-- Programs of before run with it.
-- compatible-from: 0010

-- With the rights of the owner, as all that writes the log.
CREATE FUNCTION delivery_decided() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  verb   text := 'changed';
  before jsonb := jsonb_build_object('state', OLD.state);
  after  jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    verb := 'deleted';
  ELSIF NEW.redelivered_as IS DISTINCT FROM OLD.redelivered_as THEN
    verb := 'redelivered';
    before := jsonb_build_object('redelivered_as', OLD.redelivered_as);
    after := jsonb_build_object('redelivered_as', NEW.redelivered_as);
  ELSE
    IF NEW.state = 'dropped' THEN verb := 'dropped'; END IF;
    after := jsonb_build_object('state', NEW.state);
  END IF;
  PERFORM admin_log_append('delivery.' || verb, 'delivery:' || OLD.id, OLD.route, OLD.tenant, before, after);
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER delivery_decided AFTER UPDATE ON deliveries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.redelivered_as IS DISTINCT FROM OLD.redelivered_as
    OR NEW.state IS DISTINCT FROM OLD.state AND (NEW.state = 'dropped' OR OLD.state <> 'waiting'))
  EXECUTE FUNCTION delivery_decided();
CREATE CONSTRAINT TRIGGER delivery_deleted AFTER DELETE ON deliveries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION delivery_decided();

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION %1$I.delivery_decided() SET search_path = %1$I, pg_temp', current_schema());
  EXECUTE format('REVOKE ALL ON FUNCTION %I.delivery_decided() FROM PUBLIC', current_schema());
END $$;

-- Dead letters are few, and looked for without a tenant.
CREATE INDEX deliveries_dead ON deliveries (received_at, id) WHERE state = 'dead';
