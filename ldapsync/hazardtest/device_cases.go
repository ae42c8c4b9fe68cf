package hazardtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// certificate makes a self-signed certificate as Automatic-Device-Join does, valid for ten years from a year ago.
func (e *env) certificate(subject string, from time.Time) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: subject}, NotBefore: from, NotAfter: from.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	return string(der), err
}

// addDevice adds a computer with its certificate and has it synchronised.
func (e *env) addDevice(ctx context.Context, name string) (id ldapsync.GUID, cert string, err error) {
	id, err = e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.devices.DN.Child("CN", name), ldapsync.Device,
		ldapsync.Values("dNSHostName", name+".ashdown.example"), ldapsync.Values("operatingSystem", "Windows 11 Enterprise"),
		ldapsync.Values("operatingSystemVersion", "10.0 (26100)"), ldapsync.Values("userAccountControl", "4096")))
	if err != nil {
		return id, "", prepared(err)
	}
	if cert, err = e.certificate(id.String(), e.clock.AddDate(-1, 0, 0)); err != nil {
		return id, "", err
	}
	if err := e.SourceWorld.Set(ctx, id, "userCertificate", cert); err != nil {
		return id, "", prepared(err)
	}
	if err := e.correct(ctx, 1); err != nil {
		return id, "", err
	}
	return id, cert, e.copied(ctx, name, cert)
}

// copied requires that the target has the device, with exactly this certificate.
func (e *env) copied(ctx context.Context, name, cert string) error {
	all, err := e.TargetWorld.List(ctx, e.copies.DN)
	if err != nil {
		return prepared(err)
	}
	for _, o := range all {
		if _, cn := o.DN.RDN(); cn != name {
			continue
		}
		if o, err = e.TargetWorld.Get(ctx, o.ID); err != nil {
			return prepared(err)
		}
		if got := o.All("userCertificate"); !slices.Equal(got, []string{cert}) {
			return fmt.Errorf("WRONG VALUE: userCertificate of %s is not the one that was synchronised (%d values)", o.DN, len(got))
		}
		return nil
	}
	return fmt.Errorf("WRONG DELETE: there is no device %s at the target", name)
}

// device makes the case of a synchronised device to which something happens.
func device(name, hazard, why string, spoil func(ctx context.Context, e *env, id ldapsync.GUID, cert string) error) Case {
	return Case{name, hazard, "the device is held with the certificate it had, and not removed", Hold, func(ctx context.Context, e *env) error {
		id, cert, err := e.addDevice(ctx, "PC001")
		if err != nil {
			return err
		}
		if err := spoil(ctx, e, id, cert); err != nil {
			return prepared(err)
		}
		if err := e.hold(ctx, why, id); err != nil {
			return err
		}
		if err := e.copied(ctx, "PC001", cert); err != nil {
			return err
		}
		e.clock = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
		if err := e.SourceWorld.Set(ctx, id, "userCertificate", cert); err != nil {
			return prepared(err)
		}
		return e.over(ctx, nil)
	}}
}

func deviceCases() []Case {
	return []Case{
		device("certificate-expired", "the certificate of a synchronised device has expired", "expired",
			func(ctx context.Context, e *env, id ldapsync.GUID, _ string) error {
				old, err := e.certificate(id.String(), e.clock.AddDate(-11, 0, 0))
				if err != nil {
					return err
				}
				return e.SourceWorld.Set(ctx, id, "userCertificate", old)
			}),
		device("certificate-foreign", "a synchronised device has the certificate of another one", "no certificate has the subject",
			func(ctx context.Context, e *env, id ldapsync.GUID, _ string) error {
				other, err := e.certificate("9b9f4f0e-0d4e-4f4d-9d57-000000000001", e.clock.AddDate(-1, 0, 0))
				if err != nil {
					return err
				}
				return e.SourceWorld.Set(ctx, id, "userCertificate", other)
			}),
		device("certificate-gone", "the certificate of a synchronised device is gone", "userCertificate is absent",
			func(ctx context.Context, e *env, id ldapsync.GUID, _ string) error {
				return e.SourceWorld.Set(ctx, id, "userCertificate")
			}),
		device("certificate-damaged", "what stands in userCertificate is no certificate", "none of 1 userCertificate values parses",
			func(ctx context.Context, e *env, id ldapsync.GUID, cert string) error {
				return e.SourceWorld.Set(ctx, id, "userCertificate", cert[:len(cert)/2])
			}),
		device("clock-forward", "the clock of the engine jumps twenty years ahead", "expired",
			func(_ context.Context, e *env, _ ldapsync.GUID, _ string) error {
				e.clock = e.clock.AddDate(20, 0, 0)
				return nil
			}),
		device("clock-back", "the clock of the engine jumps twenty years back", "not valid before",
			func(_ context.Context, e *env, _ ldapsync.GUID, _ string) error {
				e.clock = e.clock.AddDate(-20, 0, 0)
				return nil
			}),
		{"device-moved-out", "a device is moved out of its organisational unit",
			"its synchronisation stops, and nothing is removed (operations guide, 9.3)", Hold, func(ctx context.Context, e *env) error {
				for i := range 5 { // so that one of six leaves
					if _, _, err := e.addDevice(ctx, fmt.Sprintf("PC01%d", i)); err != nil {
						return err
					}
				}
				id, cert, err := e.addDevice(ctx, "PC001")
				if err != nil {
					return err
				}
				if err := prepared(e.SourceWorld.Move(ctx, id, e.away.DN)); err != nil {
					return err
				}
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.copied(ctx, "PC001", cert); err != nil {
					return err
				}
				if err := prepared(e.SourceWorld.Move(ctx, id, e.devices.DN)); err != nil {
					return err
				}
				if err := e.correct(ctx, -1); err != nil {
					return err
				}
				return e.copied(ctx, "PC001", cert)
			}},
	}
}
