package ldapsync

import (
	"context"
	"time"
)

// A SyncStatus is what the state knows of an organisation.
type SyncStatus struct {
	Organisation string        `json:"organisation"`
	Generation   uint64        `json:"generation"`            // grows with every applied plan
	Interrupted  string        `json:"interrupted,omitempty"` // the ID of a plan whose application did not end
	LastPlan     string        `json:"lastPlan,omitempty"`
	LastRun      time.Time     `json:"lastRun,omitzero"`
	Source       DirectoryInfo `json:"source,omitzero"`
	Tracks       []TrackStatus `json:"tracks"`
	Applied      []AppliedPlan `json:"applied,omitempty"` // newest first
}

// A TrackStatus is what the state knows of a track.
type TrackStatus struct {
	Track   string `json:"track"`
	Joined  int    `json:"joined"`
	Created int    `json:"created"` // of those joined, made by this engine
	Missing int    `json:"missing"` // of those joined, found nowhere by the last run
	Read    int    `json:"read"`    // objects the last run read
}

// Status reads the state; it asks neither the source nor the target.
func (s *Syncer) Status(ctx context.Context) (*SyncStatus, error) {
	var run runRecord
	if _, _, err := loadJSON(ctx, s.State, s.keys().run(), &run); err != nil {
		return nil, err
	}
	out := &SyncStatus{
		Organisation: s.Organisation.Name, Generation: run.Generation, Interrupted: run.Pending,
		LastPlan: run.LastPlan, LastRun: run.LastRun, Source: run.Source,
	}
	for _, t := range s.Organisation.Tracks {
		ts := TrackStatus{Track: t.Name, Read: run.Read[t.Name]}
		err := eachLink(ctx, s.State, s.keys(), t.Name, func(l *linkRecord, _ []byte) error {
			ts.Joined++
			if l.Created {
				ts.Created++
			}
			if l.Missing > 0 {
				ts.Missing++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		out.Tracks = append(out.Tracks, ts)
	}
	var err error
	out.Applied, err = s.Applied(ctx)
	return out, err
}
