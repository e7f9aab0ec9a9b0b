-- Who else a target holds under the vendor's name for somebody: asked before anybody is taken out.
CREATE INDEX target_member_name ON target_member (target, member_id);
