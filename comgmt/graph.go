package comgmt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"go.internal/hybridkit/comgmt/internal/text"
)

// Features are Graph's configurationManagerClientEnabledFeatures: whether Intune manages each workload. The zero
// Features know nothing. What a document does not mention is Unknown, never No: v1.0 has no member for Endpoint
// Protection and Office.
type Features struct {
	Workloads map[Workload]Tri
	Inventory Tri // no workload and no bit belong to it
	// Extra are members this package does not know, as raw JSON.
	Extra map[string]json.RawMessage
}

// Get returns the value for w.
func (f Features) Get(w Workload) Tri { return f.Workloads[w] }

// Missing explains each workload the document says nothing about.
func (f Features) Missing() map[Workload]string {
	out := map[Workload]string{}
	for w := range AllWorkloads() {
		switch {
		case f.Get(w) != Unknown:
		case w.BetaOnly():
			out[w] = "only Graph beta has " + w.GraphName() + "; a v1.0 document says nothing about it"
		default:
			out[w] = "the document has no " + w.GraphName()
		}
	}
	return out
}

// MarshalJSON writes null for unknown members and Extra as it came.
func (f Features) MarshalJSON() ([]byte, error) {
	out := map[string]any{"inventory": f.Inventory}
	for name, raw := range f.Extra {
		out[name] = raw
	}
	for w := range AllWorkloads() {
		out[w.GraphName()] = f.Get(w)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the object of v1.0 or beta. Members that are not booleans are an error, except unknown ones.
func (f *Features) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	*f = Features{Workloads: map[Workload]Tri{}}
	for name, raw := range members {
		to := Unknown
		w := workloadByGraphName(name)
		if name != "inventory" && w == 0 {
			if f.Extra == nil {
				f.Extra = map[string]json.RawMessage{}
			}
			f.Extra[name] = raw
			continue
		}
		if err := to.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if w == 0 {
			f.Inventory = to
		} else {
			f.Workloads[w] = to
		}
	}
	return nil
}

func workloadByGraphName(name string) Workload {
	for w := range AllWorkloads() {
		if workloads[w].graph == name {
			return w
		}
	}
	return 0
}

// A GraphHealth is Graph's configurationManagerClientHealthState (beta).
type GraphHealth struct {
	State     string       `json:"state"` // as Graph wrote it
	Bits      ClientHealth `json:"bits"`  // of State; 0 for a name that is not known
	ErrorCode int64        `json:"errorCode"`
	LastSync  time.Time    `json:"lastSyncDateTime"`
}

// A GraphKind is what a Graph document is about.
type GraphKind string

const (
	KindManagedDevice    GraphKind = "managedDevice"
	KindEligibleDevice   GraphKind = "comanagementEligibleDevice"
	KindCoManagedSummary GraphKind = "comanagedDevicesSummary"
	KindEligibleSummary  GraphKind = "comanagementEligibleDevicesSummary"
	KindUnrecognised     GraphKind = "unrecognised"
)

// A GraphObject is one entity of a Graph document. Which fields are set depends on Kind; what the document does not
// have is zero.
type GraphObject struct {
	Kind GraphKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
	Name string    `json:"deviceName,omitempty"`

	// Of a managedDevice.
	Agent          ManagementAgent `json:"managementAgent,omitempty"`
	EnrollmentType string          `json:"deviceEnrollmentType,omitempty"`
	JoinType       string          `json:"joinType,omitempty"`
	// Features is nil where the document has null (not a Configuration Manager client) or nothing; HasFeatures tells which.
	Features    *Features    `json:"features,omitempty"`
	HasFeatures bool         `json:"hasFeatures,omitempty"` // the member is there, even if null
	Health      *GraphHealth `json:"health,omitempty"`
	LastSync    time.Time    `json:"lastSyncDateTime,omitzero"`
	// NeverCheckedIn is true for a last synchronisation in 1900: Intune does not get the compliance check-in, since
	// the compliance workload is with Configuration Manager.
	NeverCheckedIn bool `json:"neverCheckedIn,omitempty"`

	// Of a comanagementEligibleDevice.
	Status Eligibility `json:"status,omitempty"`

	// Of the two summaries: counters by member name.
	Counts map[string]int64 `json:"counts,omitempty"`

	// Raw is the entity as it came.
	Raw json.RawMessage `json:"-"`
}

// Workload returns the counter of a workload in a comanagedDevicesSummary; ok is false if it has none. Device
// Configuration is called configurationSettingsCount there.
func (o GraphObject) Workload(w Workload) (n int64, ok bool) {
	n, ok = o.Counts[w.row().summary]
	return n, ok
}

// Errors of [DecodeGraph].
var (
	ErrNotGraph    = errors.New("comgmt: not a Graph entity")
	ErrGraphAnswer = errors.New("comgmt: Graph answered with an error")
)

// DecodeGraph yields the entities of a Graph document: a single entity, a page ({"value": […]}), an entity wrapped in
// {"value": {…}} as Microsoft's reference prints it, or a bare array. v1.0 and beta are both accepted. Entities of a
// page are read one at a time. An entity of another kind is yielded as unrecognised. The first error ends the sequence.
func DecodeGraph(r io.Reader) iter.Seq2[GraphObject, error] {
	return func(yield func(GraphObject, error) bool) {
		dec := json.NewDecoder(text.NewReader(r))
		n := 0
		one := func(raw json.RawMessage) bool {
			o, err := decodeGraphObject(raw)
			if err != nil {
				yield(GraphObject{}, fmt.Errorf("comgmt: graph: entity %d: %w", n, err))
				return false
			}
			n++
			return yield(o, nil)
		}
		fail := func(err error) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			yield(GraphObject{}, fmt.Errorf("comgmt: graph: at byte %d: %w", dec.InputOffset(), err))
		}
		array := func() bool {
			for dec.More() {
				var raw json.RawMessage
				if err := dec.Decode(&raw); err != nil {
					fail(err)
					return false
				}
				if !one(raw) {
					return false
				}
			}
			_, err := dec.Token()
			if err != nil {
				fail(err)
			}
			return err == nil
		}
		t, err := dec.Token()
		if err != nil {
			fail(err)
			return
		}
		switch t {
		case json.Delim('['):
			if !array() {
				return
			}
		case json.Delim('{'):
			// A page may be long, so "value" is streamed; anything else is collected as the members of one entity.
			members := map[string]json.RawMessage{}
			page := false
			for dec.More() {
				t, err := dec.Token()
				if err != nil {
					fail(err)
					return
				}
				name, _ := t.(string)
				if name != "value" {
					var raw json.RawMessage
					if err := dec.Decode(&raw); err != nil {
						fail(err)
						return
					}
					members[name] = raw
					continue
				}
				page = true
				if t, err := dec.Token(); err != nil {
					fail(err)
					return
				} else if t == json.Delim('[') {
					if !array() {
						return
					}
				} else if t == json.Delim('{') {
					inner := map[string]json.RawMessage{}
					for dec.More() {
						t, err := dec.Token()
						if err != nil {
							fail(err)
							return
						}
						var raw json.RawMessage
						if err := dec.Decode(&raw); err != nil {
							fail(err)
							return
						}
						name, _ := t.(string)
						inner[name] = raw
					}
					if _, err := dec.Token(); err != nil {
						fail(err)
						return
					}
					raw, _ := json.Marshal(inner) // raw members marshal
					if !one(raw) {
						return
					}
				} else {
					fail(fmt.Errorf(`"value" is neither an entity nor an array`))
					return
				}
			}
			if _, err := dec.Token(); err != nil {
				fail(err)
				return
			}
			if raw, ok := members["error"]; ok && !page {
				yield(GraphObject{}, fmt.Errorf("%w: %s", ErrGraphAnswer, graphError(raw)))
				return
			}
			if !page {
				raw, _ := json.Marshal(members)
				if !one(raw) {
					return
				}
			}
		default:
			fail(ErrNotGraph)
			return
		}
		if _, err := dec.Token(); err != io.EOF {
			if err == nil {
				err = errors.New("more follows after the end")
			}
			fail(err)
		}
	}
}

// graphError returns code and message of Graph's error object.
func graphError(raw json.RawMessage) string {
	var e struct{ Code, Message string }
	if json.Unmarshal(raw, &e) != nil || e.Code == "" {
		return "without a code"
	}
	return clip(e.Code) + ": " + clip(e.Message)
}

func decodeGraphObject(raw json.RawMessage) (GraphObject, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return GraphObject{}, ErrNotGraph
	}
	o := GraphObject{Raw: slices.Clone(raw)}
	var typeName string
	var failed error
	get := func(name string, to any) {
		if m, ok := members[name]; ok && failed == nil {
			if err := json.Unmarshal(m, to); err != nil {
				failed = fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	get("@odata.type", &typeName)
	get("id", &o.ID)
	get("deviceName", &o.Name)
	o.Kind = kindOf(typeName, members)
	switch o.Kind {
	case KindManagedDevice:
		get("managementAgent", &o.Agent)
		get("deviceEnrollmentType", &o.EnrollmentType)
		get("joinType", &o.JoinType)
		_, o.HasFeatures = members["configurationManagerClientEnabledFeatures"]
		get("configurationManagerClientEnabledFeatures", &o.Features)
		if o.Features != nil {
			delete(o.Features.Extra, "@odata.type")
		}
		var health *struct {
			State string    `json:"state"`
			Code  int64     `json:"errorCode"`
			Sync  time.Time `json:"lastSyncDateTime"`
		}
		get("configurationManagerClientHealthState", &health)
		if health != nil {
			bits, _ := HealthOf(health.State)
			o.Health = &GraphHealth{State: health.State, Bits: bits, ErrorCode: health.Code, LastSync: health.Sync}
		}
		get("lastSyncDateTime", &o.LastSync)
		o.NeverCheckedIn = !o.LastSync.IsZero() && o.LastSync.Year() <= 1900
	case KindEligibleDevice:
		get("status", &o.Status)
	case KindCoManagedSummary, KindEligibleSummary:
		o.Counts = map[string]int64{}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if len(name) > 5 && name[len(name)-5:] == "Count" {
				var n int64
				get(name, &n)
				o.Counts[name] = n
			}
		}
	}
	return o, failed
}

func kindOf(typeName string, members map[string]json.RawMessage) GraphKind {
	for _, k := range [...]GraphKind{KindManagedDevice, KindEligibleDevice, KindCoManagedSummary, KindEligibleSummary} {
		if typeName == "microsoft.graph."+string(k) || typeName == "#microsoft.graph."+string(k) {
			return k
		}
	}
	has := func(name string) bool { _, ok := members[name]; return ok }
	switch {
	case has("managementAgent"), has("configurationManagerClientEnabledFeatures"), has("deviceEnrollmentType"):
		return KindManagedDevice
	case has("clientRegistrationStatus"), has("mdmStatus"):
		return KindEligibleDevice
	case has("totalComanagedCount"):
		return KindCoManagedSummary
	case has("eligibleButNotAzureAdJoinedCount"):
		return KindEligibleSummary
	}
	return KindUnrecognised
}
