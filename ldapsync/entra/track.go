package entra

import "go.internal/hybridkit/ldapsync"

// UsersTrack is ldapsync.UsersTrack for this target: users of a single OU, update only, joined by onPremisesImmutableId
// (the source anchor in base64, which is only read), then by userPrincipalName and mail, reverted on leaving.
func UsersTrack(sourceOU string, m ldapsync.Mapping) ldapsync.Track {
	return AsTrack(ldapsync.UsersTrack(sourceOU, "", m))
}

// DevicesTrack is ldapsync.DevicesTrack for this target: computers of a single OU with their hybrid-join certificate,
// joined by deviceId, which is their objectGUID; none is created, since registration does that.
func DevicesTrack(sourceOU string, m ldapsync.Mapping) ldapsync.Track {
	return AsTrack(ldapsync.DevicesTrack(sourceOU, "", m))
}

// AsTrack fits a track to this target: no container, no creation, and the anchor that Entra ID has for the class,
// which is read and not written: onPremisesImmutableId decides what Entra Connect takes over, and deviceId belongs to
// registration.
func AsTrack(t ldapsync.Track) ldapsync.Track {
	t.Place = ldapsync.Placement{}
	t.Policy.Create = false
	t.Join.KeepAnchor = true
	t.Join.Anchor, t.Join.Form = "onPremisesImmutableId", ldapsync.AnchorBase64
	if t.Class == ldapsync.Device {
		t.Join.Anchor, t.Join.Form = "deviceId", ldapsync.AnchorGUID
		t.Join.SourceAnchor = []string{"objectGUID"}
	}
	return t
}
