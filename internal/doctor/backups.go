package doctor

import (
	"time"

	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// checkBackups tells how old the newest of the backups is that huskies-mcp makes by itself.
func (e *examination) checkBackups() {
	if e.cfg.StateDir == "" {
		e.note("backups", "set HOME or XDG_STATE_HOME for the servers, or make backups with huskies-mcp backup", "none are made, since the user's folder for state is not known")
		return
	}
	folder := backups.Of(e.cfg.StateDir, e.where.Path)
	all, err := folder.List()
	gone := e.file.Database.Info == nil && e.file.Database.Err == nil
	switch {
	case err != nil:
		e.note("backups", "mend what the message names; until then no backups are made", "%v", err)
	case len(all) > 0 && gone:
		e.bad("backups", "huskies-mcp restore --latest, unless the pipeline was removed on purpose; the first write begins a new one",
			"the pipeline is gone, and there is a backup of it from %s ago with %s", e.ago(all[0].Made), phrase.Count(int(all[0].Ops), "op", "ops"))
	case len(all) > 0:
		e.ok("backups", "%d in %s, the newest from %s ago; huskies-mcp restore lists them", len(all), folder.Path, e.ago(all[0].Made))
	case !gone && e.file.Schema > 0:
		e.ok("backups", "none yet in %s; a session that writes makes one when it ends, unless it has --no-auto-backup", folder.Path)
	}
}

// ago returns how long ago a time was.
func (e *examination) ago(at time.Time) string { return phrase.Span(e.cfg.Now().Sub(at)) }
