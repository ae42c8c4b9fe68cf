package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
)

// A Fate is what the service did with a record, from its provisioning log (Microsoft, "provisioningObjectSummary
// resource type").
type Fate struct {
	ExternalID string        `json:"externalId"`
	Status     string        `json:"status"` // success, failure, skipped, warning
	Action     string        `json:"action"` // create, update, disable, other …
	Code       string        `json:"code,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	User       ldapsync.GUID `json:"user,omitzero"` // object id
	At         time.Time     `json:"at"`
	ChangeID   string        `json:"changeId,omitempty"`
	CycleID    string        `json:"cycleId,omitempty"`
	Changed    []string      `json:"changed,omitempty"` // the properties that were written
}

// OK reports whether the user is as the record says: it was written, or was so already.
func (f *Fate) OK() bool {
	return f.Status == "success" || f.Status == "skipped" && strings.EqualFold(f.Code, "RedundantImport")
}

// ErrUnaccounted: some records had no entry in the log when the context ended. They may still be worked on.
var ErrUnaccounted = errors.New("records without an entry in the provisioning log")

// Follow reads the job's provisioning log until every record that was sent has an entry, or ctx ends: set a deadline, a
// cycle of the service takes minutes to an hour. It returns what it knows in either case, sorted by ExternalID; the
// error then wraps ErrUnaccounted and the context's. Of several entries of a record the latest counts.
func (j *Job) Follow(ctx context.Context, r *Receipt) ([]Fate, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	if r.Job != j.ID {
		return nil, fmt.Errorf("bulk: the receipt is of job %s, not %s", r.Job, j.ID)
	}
	interval := j.Interval
	if interval <= 0 {
		interval = 30 * time.Second
	}
	found := make(map[string]Fate, len(r.Sent))
	for {
		err := j.look(ctx, r, found)
		if err != nil && ctx.Err() == nil {
			return sorted(found), err
		}
		if j.Progress != nil {
			j.Progress(len(found), len(r.Sent))
		}
		if len(found) == len(r.Sent) {
			return sorted(found), nil
		}
		t := time.NewTimer(interval)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return sorted(found), fmt.Errorf("bulk: %d of %d: %w: %w", len(r.Sent)-len(found), len(r.Sent), ErrUnaccounted, ctx.Err())
		}
	}
}

func sorted(found map[string]Fate) []Fate {
	out := make([]Fate, 0, len(found))
	for _, f := range found {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Fate) int { return strings.Compare(a.ExternalID, b.ExternalID) })
	return out
}

// look reads the log once.
func (j *Job) look(ctx context.Context, r *Receipt, found map[string]Fate) error {
	// The log's times have fractions, the clock of an answer has none.
	since := r.Since.Add(-time.Second).UTC().Format(time.RFC3339)
	path := "/auditLogs/provisioning" + entra.Query("$filter", "jobId eq "+entra.Quote(j.ID)+" and activityDateTime gt "+since)
	for raw, err := range j.Client.Pages(ctx, path, nil) {
		if err != nil {
			return err
		}
		f, err := decodeFate(raw)
		if err != nil {
			return err
		}
		up, ours := r.Sent[f.ExternalID]
		if !ours || f.At.Before(up.At.Add(-time.Second)) {
			continue // of somebody else's upload, or an earlier one
		}
		if old, ok := found[f.ExternalID]; !ok || f.At.After(old.At) {
			found[f.ExternalID] = f
		}
	}
	return nil
}

func decodeFate(raw []byte) (Fate, error) {
	var w struct {
		At       time.Time `json:"activityDateTime"`
		ChangeID string    `json:"changeId"`
		CycleID  string    `json:"cycleId"`
		Action   string    `json:"provisioningAction"`
		Status   struct {
			Status string
			Error  *struct{ ErrorCode, Reason string } `json:"errorInformation"`
		} `json:"provisioningStatusInfo"`
		SourceIdentity struct{ ID string }            `json:"sourceIdentity"`
		TargetIdentity struct{ ID string }            `json:"targetIdentity"`
		Modified       []struct{ DisplayName string } `json:"modifiedProperties"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Fate{}, fmt.Errorf("bulk: an entry of the provisioning log: %w", err)
	}
	f := Fate{ExternalID: w.SourceIdentity.ID, Status: strings.ToLower(w.Status.Status), Action: w.Action, At: w.At.UTC(), ChangeID: w.ChangeID, CycleID: w.CycleID}
	if w.Status.Error != nil {
		f.Code, f.Reason = w.Status.Error.ErrorCode, w.Status.Error.Reason
	}
	f.User, _ = ldapsync.ParseGUID(w.TargetIdentity.ID) // "" for a user that was not made
	for _, m := range w.Modified {
		f.Changed = append(f.Changed, m.DisplayName)
	}
	slices.Sort(f.Changed)
	return f, nil
}
