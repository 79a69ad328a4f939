CREATE SUBSCRIPTION mirror CONNECTION 'host=nowhere.invalid' PUBLICATION everything WITH (connect = false);
