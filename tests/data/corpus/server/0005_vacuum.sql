VACUUM jobs;
