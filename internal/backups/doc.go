// Package backups keeps copies of a pipeline's database in the user's state folder, so that the
// pipeline outlives its project's folder.
//
// Each database has a [Folder], which is named by a hash of the database's absolute path. In it are
// copies without the private key, a file that names the project for people, and a lock. The name of
// a copy says when it was made and what is in it, so that a list of copies opens none:
//
//	20261130T015630.250Z-150-42-1a2b3c4d-9f8e7d6c.db
//
// These are the time, how many ops and stories there are, and the beginnings of the IDs of the first
// and the last op. All copies of one pipeline have the same first op. A copy that was made before
// something took its place ends in -before.db.
//
// # Which copies are kept
//
// A new copy takes the place of the newest one, if that was made within an hour of the one before
// it. So the newest copy shows the end of the last session, and the others stand an hour apart. A
// copy whose name ends in -before is never replaced like this. Seven copies of the pipeline are
// kept, and seven of other pipelines that were at the same path. A pipeline that is begun anew after
// an accident so pushes out no copy of the lost one before seven others were lost.
//
// # Several processes
//
// Whoever makes a copy holds the folder's lock. A copy has another name until it is whole, so a
// process that is killed leaves a file that the next one removes.
package backups
