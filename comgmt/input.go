package comgmt

import (
	_ "embed" // the schemas
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

//go:embed plan.schema.json
var planSchema []byte

//go:embed devices.schema.json
var devicesSchema []byte

// PlanSchema returns the JSON Schema (2020-12) of what [DecodePlan] reads. The slice is the caller's.
func PlanSchema() []byte { return slices.Clone(planSchema) }

// DevicesSchema returns the JSON Schema (2020-12) of what [DecodeDevices] reads. The slice is the caller's.
func DevicesSchema() []byte { return slices.Clone(devicesSchema) }

// maxPlan is the greatest size of a plan document. A plan has seven workloads and a handful of names.
const maxPlan = 1 << 20

// ErrTooLarge is wrapped by the error for a plan above 1 MiB.
var ErrTooLarge = errors.New("comgmt: more than 1 MiB")

// DecodePlan reads a plan in the form of [PlanSchema]. Members it does not know are refused by name, as are
// members given twice; what is left out has its zero value. Errors are *[InputError].
func DecodePlan(r io.Reader) (*Plan, error) {
	limited := &io.LimitedReader{R: r, N: maxPlan + 1}
	s := newStrict(limited)
	p := &Plan{}
	err := s.object("", func(path, name string) error { return s.planMember(p, path, name) })
	if err == nil {
		err = s.end()
	}
	if limited.N <= 0 {
		return nil, s.fail("", ErrTooLarge)
	}
	if err != nil {
		return nil, fmt.Errorf("comgmt: plan: %w", err)
	}
	return p, nil
}

func (s *strict) planMember(p *Plan, path, name string) error {
	switch name {
	case "$schema":
		var ignored string
		return s.value(path, &ignored)
	case "siteVersion":
		return s.value(path, &p.Site)
	case "autoEnrolment":
		return s.object(path, func(path, name string) error {
			switch name {
			case "mode":
				return s.value(path, &p.AutoEnrolment.Mode)
			case "collection":
				return s.value(path, &p.AutoEnrolment.Collection)
			}
			return ErrUnknownMember
		})
	case "workloads":
		p.Workloads = Workloads{}
		return s.object(path, func(path, name string) error {
			for w := range AllWorkloads() {
				if w.String() == name {
					set, err := s.setting(path)
					p.Workloads[w] = set
					return err
				}
			}
			return fmt.Errorf("%w: want one of %v", ErrUnknownMember, AllWorkloadSet())
		})
	case "legacy":
		return s.object(path, func(path, name string) error {
			switch name {
			case "pilotGroup":
				return s.names(path, &p.Legacy.PilotGroup)
			case "exclusionGroup":
				return s.names(path, &p.Legacy.ExclusionGroup)
			}
			return ErrUnknownMember
		})
	}
	return ErrUnknownMember
}

func (s *strict) setting(path string) (Setting, error) {
	var set Setting
	err := s.object(path, func(path, name string) error {
		switch name {
		case "slider":
			return s.value(path, &set.Slider)
		case "collection":
			return s.value(path, &set.Collection)
		}
		return ErrUnknownMember
	})
	return set, err
}

// names reads one collection name or an array of them.
func (s *strict) names(path string, to *[]string) error {
	var raw json.RawMessage
	if err := s.value(path, &raw); err != nil {
		return err
	}
	if t := strings.TrimSpace(string(raw)); strings.HasPrefix(t, `"`) {
		raw = json.RawMessage("[" + t + "]")
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return errors.New("want a collection name or an array of them")
	}
	if len(*to) == 0 {
		*to = nil // an empty list is written as none
	}
	return nil
}

// UnmarshalJSON reads what [DecodePlan] reads.
func (p *Plan) UnmarshalJSON(b []byte) error {
	q, err := DecodePlan(strings.NewReader(string(b)))
	if err == nil {
		*p = *q
	}
	return err
}

// DecodeDevices yields the devices of an array in the form of [DevicesSchema], one at a time, so that an export of
// any size can be read. Members it does not know are refused by name. The first error, an *[InputError], ends
// the sequence.
func DecodeDevices(r io.Reader) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		s := newStrict(r)
		fail := func(err error) { yield(Device{}, fmt.Errorf("comgmt: devices: %w", err)) }
		if t, err := s.dec.Token(); err != nil {
			fail(s.fail("", err))
			return
		} else if t != json.Delim('[') {
			fail(s.fail("", errors.New("want an array of devices")))
			return
		}
		for i := 0; s.dec.More(); i++ {
			d, err := s.device("[" + strconv.Itoa(i) + "]")
			if err != nil {
				fail(err)
				return
			}
			if !yield(d, nil) {
				return
			}
			s.lines.forget(s.dec.InputOffset())
		}
		if _, err := s.dec.Token(); err != nil {
			fail(s.fail("", err))
			return
		}
		if err := s.end(); err != nil {
			fail(err)
		}
	}
}

func (s *strict) device(path string) (Device, error) {
	var d Device
	err := s.object(path, func(path, name string) error {
		switch name {
		case "name":
			return s.value(path, &d.Name)
		case "os":
			return s.value(path, &d.OS)
		case "join":
			return s.value(path, &d.Join)
		case "enrolment":
			return s.value(path, &d.Enrolment)
		case "collections":
			return s.value(path, &d.Collections)
		case "configInfo":
			return s.value(path, &d.ConfigInfo)
		case "flags":
			return s.value(path, &d.Flags)
		case "client":
			return s.value(path, &d.Client)
		}
		return ErrUnknownMember
	})
	if err == nil && strings.TrimSpace(d.Name) == "" {
		err = s.fail(path, errors.New("a device needs a name"))
	}
	return d, err
}

// UnmarshalJSON reads one element of what [DecodeDevices] reads.
func (d *Device) UnmarshalJSON(b []byte) error {
	s := newStrict(strings.NewReader(string(b)))
	v, err := s.device("")
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return fmt.Errorf("comgmt: device: %w", err)
	}
	*d = v
	return nil
}
