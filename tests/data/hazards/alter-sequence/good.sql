CREATE SEQUENCE parcel_numbers;
